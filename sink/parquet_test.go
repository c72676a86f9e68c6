package sink

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// readMetadata decodes the footer with parquet-go's structs.
func readMetadata(t testing.TB, data []byte) *format.FileMetaData {
	t.Helper()
	if !bytes.HasPrefix(data, []byte("PAR1")) || !bytes.HasSuffix(data, []byte("PAR1")) {
		t.Fatal("no magic number")
	}
	n := int(binary.LittleEndian.Uint32(data[len(data)-8:]))
	m := new(format.FileMetaData)
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), data[len(data)-8-n:len(data)-8], m); err != nil {
		t.Fatalf("decode footer: %v", err)
	}
	return m
}
