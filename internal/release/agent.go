package release

import (
	"slices"
	"strings"
)

// What a node's Jolokia agent asks of whoever calls it, besides a password. Every
// request has to name the origin: those of web pages name another one, which is theirs
// and not to be chosen.
const (
	AgentUser   = "crossring"
	AgentOrigin = "http://crossring.invalid"
)

// MBeans that are the same in every series.
const (
	StorageService = "org.apache.cassandra.db:type=StorageService"
	SnitchInfo     = "org.apache.cassandra.db:type=EndpointSnitchInfo"
	Messaging      = "org.apache.cassandra.net:type=MessagingService"
	Predictor      = "org.apache.cassandra.service:type=PBSPredictor"
)

// Access is what crossring reads of one MBean, or of many by a pattern, and calls on it.
type Access struct {
	MBean      string
	Attributes []string
	Operations []string // with signature, as they are called
}

// RingAttributes are those of StorageService that tell all a node knows of the ring.
func (r Release) RingAttributes() []string {
	return []string{
		"ClusterName", "PartitionerName", "ReleaseVersion", "SchemaVersion", "OperationMode", "LocalHostId",
		"LiveNodes", "UnreachableNodes", "JoiningNodes", "LeavingNodes", "MovingNodes",
		"TokenToEndpointMap", "Ownership", "LoadMap", r.HostIDAttribute,
	}
}

// Operations of SnitchInfo and Messaging.
const (
	GetDatacenter = "getDatacenter(java.lang.String)"
	GetRack       = "getRack(java.lang.String)"
	ReloadTLS     = "reloadSslCertificates()"
)

// Operations of Predictor: Predict takes replicas, those that a read and a write wait for, ms since
// the write, versions, and a percentile.
const (
	PredictorOn  = "enableConsistencyPredictionLogging()"
	PredictorOff = "disableConsistencyPredictionLogging()"
	Predict      = "doPrediction(int,int,int,float,int,float)"
)

// Operations of StorageService. Series differ in how a node leaves and cleans up.
const (
	Drain = "drain()"
	Move  = "move(java.lang.String)"
)

// DecommissionOp is the operation by which a node leaves the ring: without argument on
// a series with PlainDecommission.
func (r Release) DecommissionOp() string {
	if r.PlainDecommission {
		return "decommission()"
	}
	return "decommission(boolean)"
}

// CleanupOp is the operation by which a node drops what it does not own any more.
func (r Release) CleanupOp() string {
	if r.TableCleanup {
		return "forceTableCleanup(java.lang.String,[Ljava.lang.String;)"
	}
	return "forceKeyspaceCleanup(java.lang.String,[Ljava.lang.String;)"
}

// AgentAccess is all that crossring asks of a node's agent, and so all that the agent
// may be asked.
func (r Release) AgentAccess() []Access {
	storage := Access{
		MBean: StorageService, Attributes: r.RingAttributes(),
		Operations: []string{r.OwnershipOp, r.DecommissionOp(), Move, r.CleanupOp(), r.FlushOperation, Drain},
	}
	all := []Access{{MBean: SnitchInfo, Operations: []string{GetDatacenter, GetRack}}}
	if r.LoadBean == StorageService {
		storage.Attributes = append(storage.Attributes, r.LoadAttribute)
	} else {
		all = append(all, Access{MBean: r.LoadBean, Attributes: []string{r.LoadAttribute}})
	}
	estimate := Access{MBean: strings.ReplaceAll(r.EstimateBean, "%s", "*")}
	if r.EstimateOp != "" {
		estimate.Operations = []string{r.EstimateOp}
	} else {
		estimate.Attributes = []string{r.EstimateAttr}
	}
	all = append(all, estimate)
	if r.Predictor {
		all = append(all, Access{MBean: Predictor, Operations: []string{PredictorOn, PredictorOff, Predict}})
	}
	messaging := Access{MBean: Messaging, Attributes: []string{MeterDroppedByKey}}
	if r.HotReload {
		messaging.Operations = []string{ReloadTLS}
	}
	all = append(append(all, messaging), meterAccess()...)
	return slices.Insert(all, 0, storage)
}
