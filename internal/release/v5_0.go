package release

var v5_0 = v4_1.but(func(r *Release) {
	r.Series, r.Patches = "5.0", []string{"5.0.9", "5.0.5"}
	r.Template = "cassandra-5.0.yaml"
	r.JavaMin = 11
})
