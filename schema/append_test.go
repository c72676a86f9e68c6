package schema

import (
	"fmt"
	"strings"
	"testing"
)

// TestAppend_Refuses names what makes a chunk an error and where.
func TestAppend_Refuses(t *testing.T) {
	result := func(doc string) string { return `{"chunk_result":{"data":{"data":` + doc + `}}}` }
	deep := func(n int) string { return strings.Repeat(`[`, n) + strings.Repeat(`]`, n) }
	cases := []struct {
		chunk, reason string
		pos           int
	}{
		{``, reasonEnd, 0},
		{`[]`, "not an object", 0},
		{"\ufeff" + result(`{}`), "not an object", 0},
		{`{}`, "no chunk_result.data.data object", 2},
		{`{"chunk_result":{"data":{"highlighted_data":[]}}}`, "no chunk_result.data.data object", 49},
		{result(`[]`), "no chunk_result.data.data object", 37},
		{`{"chunk_result":{"data":{"data":{}}},"chunk_result":1}`, "no chunk_result.data.data object", 54},
		{result(`{}`) + `x`, "text after the chunk", 37},
		{result(`{"title":"a`), reasonEnd, 46},
		{result("{\"title\":\"a\n\"}"), "control character in a string", 43},
		{result(`{"title":"\x"}`), "malformed escape", 43},
		{result(`{"title":"\u12"}`), "malformed escape", 44},
		{result(`{"reach":01}`), reasonMember, 42},
		{result(`{"reach":+1}`), reasonValue, 41},
		{result(`{"reach":1.}`), reasonNumber, 43},
		{result(`{"reach":nul}`), reasonValue, 44},
		{result(`{"new":[1 2]}`), reasonItem, 42},
		{result(`{"new":[1,]}`), reasonValue, 42},
		{result(`{"images":[{},]}`), reasonValue, 46},
		{result(`{"source_type":["a",]}`), reasonValue, 52},
		{result(`{"docscore":{"a":1,}}`), reasonValue, 51},
		{result(`{"url":"a",}`), reasonKey, 43},
		{result(`{url:"a"}`), reasonKey, 33},
		{result("{" + strings.Repeat("\x00", 80)), reasonKey, 33},
		{result("{" + strings.Repeat("\xff", 80)), reasonKey, 33},
		{result(`{"url" "a"}`), reasonColon, 39},
		{result(`{"url":"a" "lang":"b"}`), reasonMember, 43},
		{result(`{"new":` + deep(509) + `}`), reasonDepth, 547},
		{result(`{"new":` + strings.Repeat(`[{"":`, 250000)), reasonDepth, 1309},
	}
	e := NewEncoder()
	for _, c := range cases {
		name := c.chunk[:min(len(c.chunk), 80)]
		err := e.Append([]byte(c.chunk), 0)
		if want := (&ChunkError{c.reason, c.pos}).Error(); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
		if e.Rows() != 0 || e.extra.n != 0 || len(e.extras.nodes) != 0 {
			t.Fatalf("%s left something", name)
		}
	}
	for _, chunk := range []string{
		result(`{"new":` + deep(508) + `}`),
		"\t\r\n " + result(`{}`) + " \n\r\t",
		`{"chunk_result":1,"chunk_result":{"data":[],"data":{"data":null,"data":{}}}}`,
	} {
		if err := e.Append([]byte(chunk), 0); err != nil {
			t.Errorf("%s: %v", chunk[:60], err)
		}
	}
}

// TestAppend_Key holds where _key comes from.
func TestAppend_Key(t *testing.T) {
	for doc, want := range map[string]string{
		`{"url":"u","external_provider":"p","external_id":"1"}`: "u",
		`{"external_id":"1","external_provider":"twitter"}`:     "twitter:1",
		`{"url":"","external_provider":"p","external_id":"1"}`:  "p:1",
		`{"external_id":"1"}`:    "(null)",
		`{"url":"lost","url":5}`: "(null)",
		`{}`:                     "(null)",
	} {
		e := NewEncoder()
		if err := e.Append([]byte(`{"chunk_result":{"data":{"data":`+doc+`}}}`), 0); err != nil {
			t.Fatal(err)
		}
		if got := e.Record().Column(1).ValueStr(0); got != want {
			t.Errorf("%s: key %s, want %s", doc, got, want)
		}
	}
}

// TestDrift_CountsByPath holds what is reported of odd documents, and that refused ones count nothing.
func TestDrift_CountsByPath(t *testing.T) {
	e := NewEncoder()
	for name, chunk := range documents(t) {
		if name != "odd.json" && name != "broken.json" {
			continue
		}
		if err := e.Append(chunk, 0); err != nil {
			t.Fatal(err)
		}
		if err := e.Append(chunk[:len(chunk)-3], 0); err == nil {
			t.Fatal("cut chunk accepted")
		}
	}
	want := &Drift{
		Unknown: map[string]Seen{
			"$chunk": {1, "string"}, "URL": {1, "string"}, "brand_new": {1, "array"}, "world_data.planet": {1, "string"},
			"images[].alt": {1, "string"}, "images[].size": {1, "object"}, "highlighted_data[].matched.rank": {1, "number"},
			"$chunk.chunk_result.data.score": {1, "number"}, "$chunk.chunk_result.took": {1, "number"},
			"$chunk.seq": {1, "number"}, "x": {1, "number"}, "x\ufffd": {1, "string"},
		},
		Coerced: map[string]int64{"published": 1, "indexed": 1, "source_type": 1, "post_type": 1, "reach": 1, "engagement": 1,
			"rating": 1, "word_count": 1, "content": 1, "docscore": 1, "world_data.latitude": 1, "world_data.longitude": 1,
			"matched": 1, "images": 1, "videos": 1, "highlighted_data[].matched.profile": 1},
		DuplicateKeys: 5, ReplacedUTF8: 12,
	}
	if got := fmt.Sprintf("%+v", *e.Drift()); got != fmt.Sprintf("%+v", *want) {
		t.Errorf("got  %s\nwant %+v", got, *want)
	}
}
