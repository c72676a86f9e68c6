package schema_test

import (
	"fmt"

	"tw2parquet/schema"
)

const chunk = `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{
  "url":"https://example.org/1","title":"Flood warning lifted","reach":1200,"brand_new":[1.50]}}}}`

// An encoder turns chunks into a record with a column for every field that is known. What has none is in _extra.
func ExampleEncoder() {
	e := schema.NewEncoder()
	if err := e.Append([]byte(chunk), 0); err != nil {
		fmt.Println(err)
		return
	}
	drift := e.Drift()
	rec := e.Record()
	defer rec.Release()
	for _, name := range []string{"_ordinal", "_key", "title", "reach", "lang", "_extra"} {
		fmt.Println(name, "=", rec.Column(rec.Schema().FieldIndices(name)[0]).ValueStr(0))
	}
	for path, seen := range drift.Unknown {
		fmt.Println("unknown:", path, seen.Count)
	}
	// Output:
	// _ordinal = 0
	// _key = https://example.org/1
	// title = Flood warning lifted
	// reach = 1200
	// lang = (null)
	// _extra = {"brand_new":[1.50]}
	// unknown: brand_new 1
}

// A rebuilder turns a row back into the document that it came from.
func ExampleRebuilder() {
	e := schema.NewEncoder()
	if err := e.Append([]byte(chunk), 0); err != nil {
		fmt.Println(err)
		return
	}
	rec := e.Record()
	defer rec.Release()
	document, err := schema.NewRebuilder().Rebuild(rec, 0, nil)
	fmt.Println(string(document), err)
	// Output: {"url":"https://example.org/1","title":"Flood warning lifted","reach":1200,"brand_new":[1.50]} <nil>
}

// Every file has the same columns, whatever the documents hold. The fingerprint tells whether two programs agree on them.
func ExampleFields() {
	for _, f := range schema.Fields()[:4] {
		fmt.Println(f.Path, f.Type)
	}
	fmt.Println("schema", schema.Version, len(schema.Fingerprint()) == 16)
	// Output:
	// _ordinal int64
	// _key utf8
	// _extra utf8 (JSON)
	// url utf8
	// schema 1 true
}
