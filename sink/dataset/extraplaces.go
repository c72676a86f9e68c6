package dataset

import (
	"slices"
	"strings"

	"tw2parquet/schema"
)

// A drift report names members by paths in which a dot may separate two names or be a part of one. This file finds where in
// _extra such a member stands. What _extra is: package schema.

// place is where a member stands in _extra: the names that lead to it, in a part for each list on the way and one more. Those
// of a further part are looked for in every element of the list.
type place [][]string

// container is something in which members without a column may stand: a known object, a list of objects, a map of scores.
type container struct {
	path string // as drift reports begin
	at   place
}

// surroundings is the member of _extra that mirrors the chunk around the document.
const surroundings = "$chunk"

// beside is where highlighted_data stands, which is not in the document.
var beside = []string{surroundings, "chunk_result", "data"}

// containers are all of them but the document itself.
func containers() (all []container) {
	for i := range beside {
		names := beside[:i+1]
		all = append(all, container{strings.Join(names, "."), place{names}})
	}
	for _, f := range schema.Fields() {
		if f.Type != schema.Object && f.Type != schema.Objects && f.Type != schema.Scores {
			continue
		}
		c := container{path: f.Path}
		for part := range strings.SplitSeq(f.Path, "[]") {
			c.at = append(c.at, strings.Split(strings.TrimPrefix(part, "."), "."))
		}
		if c.at[0][0] == "highlighted_data" {
			c.at[0] = slices.Concat(beside, c.at[0])
		}
		if f.Type == schema.Objects {
			c.path, c.at = c.path+"[]", append(c.at, nil)
		}
		all = append(all, c)
	}
	return all
}

// extraPlaces are the places where a member may stand that a drift report names.
func extraPlaces(path string) (places []place) {
	for _, c := range containers() {
		if key, ok := strings.CutPrefix(path, c.path+"."); ok {
			at := slices.Clone(c.at)
			last := len(at) - 1
			at[last] = append(slices.Clone(at[last]), key)
			places = append(places, at)
		}
	}
	if path == "highlighted_data" { // of another type than it should be
		places = append(places, place{slices.Concat(beside, []string{path})})
	}
	if strings.HasPrefix(path, "$") { // escaped, see package schema
		path = "$" + path
	}
	return append(places, place{{path}})
}

// cutShort is the length from which on a path in a drift report may have been cut: package schema keeps 200 bytes, and no half
// characters.
const cutShort = 200 - 3

// unfit says why a path cannot be a column.
func unfit(path string) string {
	switch {
	case path == schema.Other:
		return "it stands for all members beyond the first thousand"
	case len(path) >= cutShort:
		return "its name was too long to be kept"
	case strings.ContainsRune(path, 0):
		return "SQL cannot hold U+0000"
	case path == "":
		return "it has no name"
	}
	return ""
}
