package report

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// batch are the columns of a batch. A file of an older version may lack some, which then have no values.
type batch struct {
	key, lang, site, appearance, authorID, authorName text
	countries                                         [3]text
	published, indexed                                time64
	sentiment, reach, engagement                      integer
	types                                             texts
	topics                                            topics
}

func newBatch(rec arrow.RecordBatch) *batch {
	b := &batch{
		key: textOf(rec, "_key"), lang: textOf(rec, "lang"), site: textOf(rec, "domain_url"), appearance: textOf(rec, "matched", "appearance"),
		authorID: textOf(rec, "extra_author_attributes", "id"), authorName: textOf(rec, "extra_author_attributes", "name"),
		sentiment: integer{leaf(rec, "sentiment")}, reach: integer{leaf(rec, "reach")}, engagement: integer{leaf(rec, "engagement")},
	}
	b.countries = [3]text{textOf(rec, "world_data", "country_code"), textOf(rec, "extra_article_attributes", "world_data", "country_code"),
		textOf(rec, "extra_source_attributes", "world_data", "country_code")}
	b.published.a, _ = leaf(rec, "published").(*array.Timestamp)
	b.indexed.a, _ = leaf(rec, "search_indexed").(*array.Timestamp)
	if l, ok := leaf(rec, "source_type").(*array.List); ok {
		b.types.list = l
		b.types.values, _ = l.ListValues().(*array.String)
	}
	b.topics = topicsIn(leaf(rec, "highlighted_data"))
	return b
}

// leaf is the column at a path through structs, nil if there is none.
func leaf(rec arrow.RecordBatch, path ...string) arrow.Array {
	at := rec.Schema().FieldIndices(path[0])
	if len(at) == 0 {
		return nil
	}
	a := rec.Column(at[0])
	for _, name := range path[1:] {
		a = member(a, name)
	}
	return a
}

func member(a arrow.Array, name string) arrow.Array {
	s, ok := a.(*array.Struct)
	if !ok {
		return nil
	}
	i, ok := s.DataType().(*arrow.StructType).FieldIdx(name)
	if !ok {
		return nil
	}
	return s.Field(i)
}

// text is a column of texts; the zero value has none.
type text struct{ a *array.String }

func textOf(rec arrow.RecordBatch, path ...string) text {
	a, _ := leaf(rec, path...).(*array.String)
	return text{a}
}

// at is a text of the batch's buffers.
func (t text) at(i int) (string, bool) {
	if t.a == nil || t.a.IsNull(i) {
		return emptyDocument, false
	}
	return t.a.Value(i), true
}

type time64 struct{ a *array.Timestamp }

func (t time64) at(i int) (microseconds int64, ok bool) {
	if t.a == nil || t.a.IsNull(i) {
		return 0, false
	}
	return int64(t.a.Value(i)), true
}

type integer struct{ a arrow.Array }

func (n integer) at(i int) (int64, bool) {
	if n.a == nil || n.a.IsNull(i) {
		return 0, false
	}
	switch a := n.a.(type) {
	case *array.Int64:
		return a.Value(i), true
	case *array.Int32:
		return int64(a.Value(i)), true
	}
	return 0, false
}

type texts struct {
	list   *array.List
	values *array.String
}

// first is the first text of a list.
func (t texts) first(i int) (string, bool) {
	if t.values == nil || t.list.IsNull(i) {
		return "", false
	}
	from, to := t.list.ValueOffsets(i)
	if from == to || t.values.IsNull(int(from)) {
		return "", false
	}
	return t.values.Value(int(from)), true
}

// topics are highlighted_data[].matched.project_profiles[].
type topics struct {
	matches, profiles *array.List
	id, title         text
}

func topicsIn(a arrow.Array) (t topics) {
	matches, ok := a.(*array.List)
	if !ok {
		return t
	}
	profiles, ok := member(member(matches.ListValues(), "matched"), "project_profiles").(*array.List)
	if !ok {
		return t
	}
	t.matches, t.profiles = matches, profiles
	t.id.a, _ = member(profiles.ListValues(), "id").(*array.String)
	t.title.a, _ = member(profiles.ListValues(), "title").(*array.String)
	return t
}

func (t topics) each(i int, take func(id, title string)) {
	if t.profiles == nil || t.matches.IsNull(i) {
		return
	}
	from, to := t.matches.ValueOffsets(i)
	for m := from; m < to; m++ {
		if t.profiles.IsNull(int(m)) {
			continue
		}
		first, last := t.profiles.ValueOffsets(int(m))
		for p := first; p < last; p++ {
			title, _ := t.title.at(int(p))
			if id, ok := t.id.at(int(p)); ok {
				take(id, title)
			} else if title != "" {
				take(title, title)
			}
		}
	}
}
