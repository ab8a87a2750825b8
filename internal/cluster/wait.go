package cluster

import "time"

// listWait bounds what a listing waits for machines.
const ListWait = 10 * time.Second
