package parquet

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
)

// Whatever the bytes are: no panic, and no more text than there are bytes.
func FuzzReadFooter(f *testing.F) {
	schema := arrow.NewSchema([]arrow.Field{field("s", arrow.BinaryTypes.String)}, nil)
	data := encodeTo(f, NewEncoder(schema, Compression{}, Broad), map[string]string{"k": "v"}, textRecord(schema, "a", "b"))
	length := int(binary.LittleEndian.Uint32(data[len(data)-8:]))
	f.Add(data[len(data)-8-length : len(data)-8])
	f.Add([]byte{0x15, 0x02, 0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07})
	f.Add([]byte{0x36, 0x02, 0x29, 0x1c, 0x18, 0x01, 'k', 0x18, 0x01, 'v', 0x00, 0x00})
	f.Fuzz(func(t *testing.T, footer []byte) {
		whole := append([]byte("PAR1"), footer...)
		whole = append(binary.LittleEndian.AppendUint32(whole, uint32(len(footer))), "PAR1"...)
		got, err := ReadFooter(bytes.NewReader(whole), int64(len(whole)))
		if err != nil {
			return
		}
		size := 0
		for k, v := range got.KeyValues {
			size += len(k) + len(v)
		}
		if got.Rows < 0 || size > len(footer) {
			t.Fatalf("%d rows, %d bytes of text from a footer of %d", got.Rows, size, len(footer))
		}
	})
}
