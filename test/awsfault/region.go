package awsfault

import "net/http"

// RegionOf reads the region out of a request's signature; "" if it has none.
func RegionOf(req *http.Request) string { return regionOf(req) }
