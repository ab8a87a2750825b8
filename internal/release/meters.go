package release

// MBeans of a server's load, the same in every series; one that a series lacks is not there.
const (
	MeterProcess     = "java.lang:type=OperatingSystem"
	MeterCollectors  = "java.lang:type=GarbageCollector,name=*"
	MeterMemory      = "java.lang:type=Memory"
	MeterCompactions = "org.apache.cassandra.metrics:type=Compaction,name=PendingTasks"
	MeterHints       = "org.apache.cassandra.metrics:type=Storage,name=TotalHints"
	// MeterDelivered is not before 3.11.
	MeterDelivered    = "org.apache.cassandra.metrics:type=HintsService,name=HintsSucceeded"
	MeterReads        = "org.apache.cassandra.metrics:type=ClientRequest,scope=Read,name=Latency"
	MeterReadTime     = "org.apache.cassandra.metrics:type=ClientRequest,scope=Read,name=TotalLatency"
	MeterWrites       = "org.apache.cassandra.metrics:type=ClientRequest,scope=Write,name=Latency"
	MeterWriteTime    = "org.apache.cassandra.metrics:type=ClientRequest,scope=Write,name=TotalLatency"
	MeterReadsQueued  = "org.apache.cassandra.metrics:type=ThreadPools,path=request,scope=ReadStage,name=PendingTasks"
	MeterWritesQueued = "org.apache.cassandra.metrics:type=ThreadPools,path=request,scope=MutationStage,name=PendingTasks"
)

// Attributes of these.
const (
	MeterProcessTime  = "ProcessCpuTime" // ns
	MeterCollectTime  = "CollectionTime" // ms
	MeterHeap         = "HeapMemoryUsage"
	MeterCount        = "Count"
	MeterValue        = "Value"
	MeterDroppedByKey = "DroppedMessages" // of Messaging, by kind of message
)

// meterAccess is what is read of a server's load.
func meterAccess() []Access {
	return []Access{
		{MBean: MeterProcess, Attributes: []string{MeterProcessTime}},
		{MBean: MeterCollectors, Attributes: []string{MeterCollectTime}},
		{MBean: MeterMemory, Attributes: []string{MeterHeap}},
		{MBean: MeterCompactions, Attributes: []string{MeterValue}},
		{MBean: MeterHints, Attributes: []string{MeterCount}},
		{MBean: MeterDelivered, Attributes: []string{MeterCount}},
		{MBean: MeterReads, Attributes: []string{MeterCount}},
		{MBean: MeterReadTime, Attributes: []string{MeterCount}},
		{MBean: MeterWrites, Attributes: []string{MeterCount}},
		{MBean: MeterWriteTime, Attributes: []string{MeterCount}},
		{MBean: MeterReadsQueued, Attributes: []string{MeterValue}},
		{MBean: MeterWritesQueued, Attributes: []string{MeterValue}},
	}
}
