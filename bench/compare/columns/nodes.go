package columns

// Node is a field for a program that is not written in Go: its name, its type as the product prints it, and
// its members.
type Node struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Members []Node `json:"members,omitempty"`
}

// Nodes is the product's table as a tree, the product's own columns included.
func Nodes() []Node { return nodes(tree()) }

func nodes(fields []*field) []Node {
	var list []Node
	for _, f := range fields {
		list = append(list, Node{Name: f.name, Type: f.typ.String(), Members: nodes(f.members)})
	}
	return list
}
