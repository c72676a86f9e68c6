package columns

import (
	"fmt"

	"tw2parquet/bench/compare/duck"
	"tw2parquet/schema"
)

// Leaf is a column that holds values, not members.
type Leaf struct {
	// Path is the path in the product's table: "images[].url".
	Path string
	// Expr yields the leaf's values from a row: for the members of a list a list of them.
	Expr string
	// Type is the type in the product's table.
	Type schema.Type
}

// Leaves lists the product's leaves in the order of its columns, its own columns included.
func Leaves() []Leaf { return all(false) }

// LooseLeaves are the same with expressions that take an absent list or map for an empty one, for the files
// of writers that cannot tell them apart.
func LooseLeaves() []Leaf { return all(true) }

func all(loose bool) []Leaf {
	var leaves []Leaf
	for _, f := range tree() {
		leaves = append(leaves, f.leaves(loose, f.name, 0, func(inside string) string { return inside }, duck.Name(f.name))...)
	}
	return leaves
}

// leaves descends with the path, the depth of lists, what wraps an expression on the innermost element,
// and the expression of the field itself there.
func (f *field) leaves(loose bool, path string, depth int, wrap func(string) string, expr string) []Leaf {
	if loose {
		switch f.typ {
		case schema.Objects, schema.Texts:
			expr = "coalesce(" + expr + ", [])"
		case schema.Scores:
			expr = "coalesce(" + expr + ", MAP {})"
		}
	}
	var leaves []Leaf
	switch f.typ {
	case schema.Object:
		for _, m := range f.members {
			leaves = append(leaves, m.leaves(loose, path+"."+m.name, depth, wrap, expr+"."+duck.Name(m.name))...)
		}
	case schema.Objects:
		element := fmt.Sprintf("e%d", depth)
		within := func(inside string) string {
			return wrap(fmt.Sprintf("list_transform(%s, lambda %s: %s)", expr, element, inside))
		}
		for _, m := range f.members {
			leaves = append(leaves, m.leaves(loose, path+"[]."+m.name, depth+1, within, element+"."+duck.Name(m.name))...)
		}
	default:
		leaves = []Leaf{{Path: path, Expr: wrap(expr), Type: f.typ}}
	}
	return leaves
}
