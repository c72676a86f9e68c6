// Package json stands in for goccy/go-json, which is 2.5 MB of the binary and which arrow-go uses to read and write arrays as
// JSON. Here it does that for checkpoints of Delta tables alone, where the standard library is as good: arrow-go has a build
// tag of its own for it. A tag would have to be given by everybody who builds this program.
package json

import (
	"encoding/json"
	"io"
)

// What arrow-go and geoarrow-go use: the same by both libraries' definition.
type (
	Decoder            = json.Decoder
	Delim              = json.Delim
	Encoder            = json.Encoder
	Marshaler          = json.Marshaler
	Number             = json.Number
	RawMessage         = json.RawMessage
	Token              = json.Token
	UnmarshalTypeError = json.UnmarshalTypeError
	Unmarshaler        = json.Unmarshaler
)

// Marshal is encoding/json's.
func Marshal(v any) ([]byte, error) { return json.Marshal(v) }

// Unmarshal is encoding/json's.
func Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v) }

// NewDecoder is encoding/json's.
func NewDecoder(r io.Reader) *Decoder { return json.NewDecoder(r) }

// NewEncoder is encoding/json's.
func NewEncoder(w io.Writer) *Encoder { return json.NewEncoder(w) }
