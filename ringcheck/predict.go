package ringcheck

import (
	"context"

	"crossring/internal/release"
	"crossring/internal/topology"
)

// Predictor has a node of a release.Predictor keep the times of the messages that it sends and
// gets as a coordinator, or forget them.
func Predictor(ctx context.Context, q Query, n topology.Node, on bool) error {
	op := release.PredictorOff
	if on {
		op = release.PredictorOn
	}
	return operate(ctx, q, n, call{Type: "exec", MBean: release.Predictor, Operation: op}, nil)
}

// Predicted asks such a node with what chance, 0 to 1, a read that waits for so many of all
// replicas sees a row at each time, in ms, after a write that waited for so many. It draws
// lots, thousands for each. It refuses where it has no times of reads or none of writes.
func Predicted(ctx context.Context, q Query, n topology.Node, replicas, read, write int, ms []int64) ([]float64, error) {
	var list []float64
	for _, at := range ms {
		var got struct {
			Share float64 `json:"consistencyProbability"`
		}
		c := call{Type: "exec", MBean: release.Predictor, Operation: release.Predict, Arguments: []any{replicas, read, write, at, 1, 0.99}}
		if err := operate(ctx, q, n, c, &got); err != nil {
			return nil, err
		}
		list = append(list, got.Share)
	}
	return list, nil
}
