package release

var v3_11 = Release{
	Series: "3.11", Patches: []string{"3.11.19", "3.11.17"},
	Artifacts:    []Artifact{{"org.apache.cassandra", "cassandra-thrift", ""}}, // Cassandra$Iface
	Main:         "org.apache.cassandra.service.CassandraDaemon",
	Nodetool:     "org.apache.cassandra.tools.NodeTool",
	NodetoolArgs: []string{"-Dcom.sun.jndi.rmiURLParsing=legacy"}, NodetoolFromSource: true,
	JavaMin: 8, JavaMax: 17, OldImage: true,
	Exports: modernExports, Opens: modernOpens,
	Jamm:            true,
	Log:             "logback",
	Template:        "cassandra-3.11.yaml",
	ThriftServer:    true,
	NamingSchemeKey: false, MetadataTypeKey: true, BindsOutgoing: false, BothAddresses: true, SeparateTLSPort: true,
	HintsDirectory: true, CDCDirectory: true, VirtualTables: false, PeersV2: false,
	TLSKey: "ecdsa-p256", PEMStores: false, RowOverhead: true, EndpointVerification: true, EachQuorumReads: true,
	Proto: 4, CQLVersion: "3.0.0", NoHostLookup: false, KeepMetadata: false, StreamsPerConn: 32768, MaxValueBytes: 16<<20 - 4<<10,
	TableOptions:    "read_repair_chance = 0 AND dclocal_read_repair_chance = 0 AND speculative_retry = 'NONE' AND compression = {'enabled': false}",
	HostIDAttribute: "EndpointToHostId",
	LoadBean:        "org.apache.cassandra.metrics:type=Storage,name=Load", LoadAttribute: "Count",
	FlushOperation:    "forceKeyspaceFlush(java.lang.String,[Ljava.lang.String;)",
	EstimateBean:      "org.apache.cassandra.metrics:type=Table,keyspace=%s,scope=%s,name=EstimatedPartitionCount",
	EstimateAttr:      "Value",
	OwnershipOp:       "effectiveOwnership(java.lang.String)",
	PlainDecommission: true,
	SystemSchema:      true,
	Layout:            NodetoolLayout{OwnsKeyspace: "system_traces", BinaryUnits: true, TokensColumn: 11, OwnsColumn: 6},
}
