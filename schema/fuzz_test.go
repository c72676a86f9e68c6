package schema

import (
	"testing"
)

func FuzzChunk(f *testing.F) {
	for _, doc := range []string{
		`{}`, `{"url":"https://example.org/1","published":1700000000000,"title":"Hello"}`,
		`{"url":1,"published":"1700000000000","reach":1e400,"source_type":"BLOG","images":[{"url":"u","new":[1]},5,null]}`,
		`{"a":1,"a":2,"images":[{"url":"x"}],"images":[],"extra_author_attributes":{"name":"n","new":{}},"$chunk":1,"$":2}`,
		`{"docscore":{"a":1.0,"b":"2","a":3,"c":null},"custom":{"x": [1, "\ud800"]},"world_data":{"latitude":0.10000000000000000001}}`,
		"{\"title\":\"\xff\xed\xa0\x80 \\ud83d\\ude00 \\ud83d\",\"\\u0075rl\":\"v\",\"\xfe\":null}",
	} {
		f.Add([]byte(`{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":` + doc + `,"highlighted_data":[{"matched":{"profile":"p","x":1}}],"y":0}},"z":[]}`))
		f.Add([]byte(doc))
	}
	f.Add([]byte(`{"chunk_result":5,"chunk_result":{"data":{"data":{"url":"a"},"data":{"title":"b"}}},"chunk_type":7} `))
	e, r := NewEncoder(), NewRebuilder()
	good := []byte(`{"chunk_result":{"data":{"data":{"url":"u","images":[{"url":"i"}],"_extra":1}}}}`)
	f.Fuzz(func(t *testing.T, chunk []byte) {
		e.Reset()
		if err := e.Append(good, 0); err != nil {
			t.Fatal(err)
		}
		err := e.Append(chunk, 1)
		if want := isResult(chunk); (err == nil) != want {
			t.Fatalf("Append: %v, but a result: %v\n%s", err, want, chunk)
		}
		if again := e.Append(good, 2); again != nil {
			t.Fatal(again)
		}
		rec := e.Record()
		checkRecord(t, rec)
		checkRow(t, r, rec, 0, good)
		if err == nil {
			checkRow(t, r, rec, 1, chunk)
		}
		checkRow(t, r, rec, e.Rows()-1, good)
	})
}
