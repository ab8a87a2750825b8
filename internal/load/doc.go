// Package load has the experiment: rows written in one region and read in another, by this
// process or by loaders on machines, their runs, and what is judged of them.
package load
