package decode_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/bytedance/sonic"
	goccy "github.com/goccy/go-json"
	"github.com/minio/simdjson-go"
	"github.com/valyala/fastjson"

	"tw2parquet/schema"
)

// recordRows is how many rows the encoder gathers before it is emptied: a row group of the product.
const recordRows = 10000

// decoder reads one chunk after the other and answers questions about the last one.
type decoder interface {
	decode(chunk []byte) error
	text(name string) string // a member of the document, in Go syntax; "none" if it cannot be told from an absent one
	number(name string) string
}

// rival is a decoder with its name in the figures.
type rival struct {
	name    string
	warm    int    // chunks before anything counts
	refused string // why the library does not decode here itself, "" if it does
	open    func() decoder
}

// rivals lists ours first.
func rivals() []rival {
	noSonic, noSIMD := "", ""
	if sonic.APIKind != sonic.UseSonicJSON {
		noSonic = "sonic hands over to encoding/json with this Go version or on this architecture"
	}
	if !simdjson.SupportedCPU() {
		noSIMD = "simdjson-go needs amd64 with AVX2 and CLMUL"
	}
	into := func(unmarshal func([]byte, any) error) func() decoder {
		return func() decoder {
			value := reflect.New(chunkType())
			return &structs{unmarshal, value, value.Interface()}
		}
	}
	return []rival{
		{"tw2parquet", 2 * recordRows, "", func() decoder { return &columns{encoder: schema.NewEncoder()} }},
		{"encodingjson", 1, "", into(json.Unmarshal)},
		{"goccy", 1, "", into(func(b []byte, v any) error { return goccy.Unmarshal(b, v) })},
		{"sonic", 1, noSonic, into(sonic.ConfigDefault.Unmarshal)},
		{"sonic-std", 1, noSonic, into(sonic.ConfigStd.Unmarshal)},
		{"sonic-fastest", 1, noSonic, into(sonic.ConfigFastest.Unmarshal)},
		{"simdjson-tape", 1, noSIMD, func() decoder { return &tape{} }},
		{"fastjson-tree", 1, "", func() decoder { return &tree{} }},
	}
}

// columns is ours.
type columns struct {
	encoder *schema.Encoder
	ordinal int64
}

func (c *columns) decode(chunk []byte) error {
	if c.encoder.Rows() == recordRows {
		c.encoder.Reset()
	}
	c.ordinal++
	err := c.encoder.Append(chunk, c.ordinal)
	if errors.Is(err, schema.ErrFull) {
		c.encoder.Reset()
		err = c.encoder.Append(chunk, c.ordinal)
	}
	return err
}

// last is the column of that name and the row appended last; an unknown member is in _extra.
func (c *columns) last(name string) (arrow.Array, int) {
	record := c.encoder.Record()
	at := record.Schema().FieldIndices(name)
	if len(at) == 0 {
		at = record.Schema().FieldIndices("_extra")
	}
	return record.Column(at[0]), c.encoder.Rows() - 1
}

func (c *columns) text(name string) string {
	column, row := c.last(name)
	if column.IsNull(row) {
		return "none"
	}
	return strconv.Quote(column.(*array.String).Value(row))
}

func (c *columns) number(name string) string {
	column, row := c.last(name)
	if column.IsNull(row) {
		return "none"
	}
	return strconv.FormatInt(column.(*array.Int64).Value(row), 10)
}

// structs is every library that fills a struct.
type structs struct {
	unmarshal func([]byte, any) error
	value     reflect.Value
	document  any
}

func (s *structs) decode(chunk []byte) error {
	s.value.Elem().SetZero() // else absent members keep the values of the document before
	return s.unmarshal(chunk, s.document)
}

func (s *structs) member(name string) reflect.Value {
	v := s.value.Elem()
	for _, n := range []string{"chunk_result", "data", "data", name} {
		v = v.FieldByName("F_" + n)
	}
	return v
}

func (s *structs) text(name string) string {
	if v := s.member(name); v.IsValid() {
		return strconv.Quote(v.String())
	}
	return "none"
}

func (s *structs) number(name string) string { return strconv.FormatInt(s.member(name).Int(), 10) }

// tape is simdjson-go: the answer is a tape of tokens, nobody has asked for values yet.
type tape struct{ parsed *simdjson.ParsedJson }

func (t *tape) decode(chunk []byte) error {
	parsed, err := simdjson.Parse(chunk, t.parsed)
	if err == nil {
		t.parsed = parsed
	}
	return err
}

func (t *tape) find(name string) *simdjson.Element {
	iter := t.parsed.Iter()
	if iter.Advance() != simdjson.TypeRoot {
		return nil
	}
	_, root, err := iter.Root(nil)
	if err != nil {
		return nil
	}
	element, err := root.FindElement(nil, "chunk_result", "data", "data", name)
	if err != nil {
		return nil
	}
	return element
}

func (t *tape) text(name string) string {
	element := t.find(name)
	if element == nil {
		return "none"
	}
	s, err := element.Iter.String()
	if err != nil {
		return "a " + element.Type.String()
	}
	return strconv.Quote(s)
}

func (t *tape) number(name string) string {
	element := t.find(name)
	if element == nil {
		return "none"
	}
	switch element.Type {
	case simdjson.TypeInt:
		v, _ := element.Iter.Int()
		return strconv.FormatInt(v, 10)
	case simdjson.TypeFloat:
		v, _ := element.Iter.Float()
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return "a " + element.Type.String()
}

// tree is fastjson: a tree that points into a copy of the chunk.
type tree struct {
	parser fastjson.Parser
	value  *fastjson.Value
}

func (t *tree) decode(chunk []byte) error {
	value, err := t.parser.ParseBytes(chunk)
	t.value = value
	return err
}

func (t *tree) text(name string) string {
	v := t.value.Get("chunk_result", "data", "data", name)
	switch {
	case v == nil:
		return "none"
	case v.Type() == fastjson.TypeString:
		return strconv.Quote(string(v.GetStringBytes()))
	}
	return "a " + v.Type().String()
}

func (t *tree) number(name string) string {
	v := t.value.Get("chunk_result", "data", "data", name)
	switch {
	case v == nil:
		return "none"
	case v.Type() == fastjson.TypeNumber:
		return v.String() // the text; Int64 parses it when asked
	}
	return "a " + v.Type().String()
}
