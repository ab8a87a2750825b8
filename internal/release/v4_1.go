package release

var v4_1 = v4_0.but(func(r *Release) {
	r.Series, r.Patches = "4.1", []string{"4.1.10", "4.1.9"}
	r.Template = "cassandra-4.1.yaml"
	r.VirtualTables, r.PEMStores = true, true
})
