package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"
)

// top counts values. Where there are more different ones than it remembers, it forgets the rarest (lossy counting): a value that
// comes again after it was forgotten is then counted short, by error at most.
type top struct {
	values    map[string]*Count
	byReach   bool
	documents int64
	error     int64
	forgotten int64 // values, some perhaps more than once
}

// maxValues is how many values are remembered, of some hundred bytes each.
const maxValues = 60000

func newTop(byReach bool) top { return top{values: map[string]*Count{}, byReach: byReach} }

func (t *top) weight(c *Count) int64 {
	if t.byReach {
		return c.Reach
	}
	return c.Documents
}

// add counts one document. The texts may live in a buffer that is used again.
func (t *top) add(value, name string, reach int64) {
	t.documents++
	t.count(value, name, 1, reach)
}

func (t *top) count(value, name string, documents, reach int64) {
	c := t.values[value]
	if c == nil && len(value) > maxText {
		value = clip(value)
		c = t.values[value]
	}
	if c == nil {
		if len(t.values) >= maxValues {
			t.forget()
		}
		value = strings.Clone(value)
		c = &Count{Value: value}
		t.values[value] = c
	}
	if c.Name == "" && name != "" {
		c.Name = strings.Clone(clip(name))
	}
	c.Documents += documents
	if c.Reach += reach; c.Reach < 0 { // nobody reaches so many
		c.Reach = math.MaxInt64
	}
}

func (t *top) forget() {
	order := t.sorted()
	for _, c := range order[maxValues/2:] {
		t.error = max(t.error, t.weight(c))
		delete(t.values, c.Value)
		t.forgotten++
	}
}

func (t *top) sorted() []*Count {
	order := make([]*Count, 0, len(t.values))
	for _, c := range t.values {
		order = append(order, c)
	}
	slices.SortFunc(order, func(a, b *Count) int {
		return cmp.Or(cmp.Compare(t.weight(b), t.weight(a)), cmp.Compare(b.Documents, a.Documents), cmp.Compare(a.Value, b.Value))
	})
	return order
}

func (t *top) merge(other *top) {
	t.documents += other.documents
	t.error = max(t.error, other.error)
	t.forgotten += other.forgotten
	for _, c := range other.sorted() { // in an order, so that the same output always gives the same figures
		t.count(c.Value, c.Name, c.Documents, c.Reach)
	}
}

// figures are the first n values.
func (t *top) figures(n int) Top {
	x := Top{Values: []Count{}, Distinct: int64(len(t.values)) + t.forgotten, Documents: t.documents, Error: t.error}
	for i, c := range t.sorted() {
		if i == n {
			break
		}
		x.Values = append(x.Values, *c)
	}
	return x
}

// maxText is how many bytes of a text of somebody else are kept.
const maxText = 160

// clip cuts a text that is too long, so that two texts stay two.
func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return fmt.Sprintf("%s… #%08x", strings.ToValidUTF8(s[:maxText-20], ""), uint32(xxh3.HashString(s)))
}
