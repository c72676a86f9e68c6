package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// This file reads the two things recovery needs from a Parquet footer, the number of rows and the
// key-values, and walks over everything else (Thrift's compact protocol, and FileMetaData of
// parquet.thrift). The libraries' readers build the whole footer in memory, by lengths that the file
// claims: a few hundred hostile bytes make them allocate gigabytes or panic. Walking allocates
// nothing, and is faster.

// Types of the compact protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
	thriftUUID   = 13
)

// Fields of FileMetaData and KeyValue.
const (
	metaNumRows   = 3
	metaKeyValues = 5
	kvKey         = 1
	kvValue       = 2
)

// maxThriftDepth bounds recursion; Parquet's own structs nest less than ten deep.
const maxThriftDepth = 32

var errFooter = errors.New("the footer is damaged")

// thriftReader is a position in the bytes and the first error; after one, everything is zero.
type thriftReader struct {
	b   []byte
	err error
}

func (r *thriftReader) fail() {
	if r.err == nil {
		r.err = errFooter
	}
	r.b = nil
}

func (r *thriftReader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *thriftReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// varint undoes the zigzag of signed numbers.
func (r *thriftReader) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *thriftReader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

// field reads a field's header: its type, 0 at the end of the struct, and its number.
func (r *thriftReader) field(last int64) (kind byte, id int64) {
	h := r.byte()
	if h == 0 {
		return 0, 0
	}
	if delta := int64(h >> 4); delta != 0 {
		return h & 15, last + delta
	}
	return h & 15, r.varint()
}

// list reads a list's header. A list cannot have more elements than bytes, so no loop over one
// outlasts the footer.
func (r *thriftReader) list() (kind byte, n uint64) {
	h := r.byte()
	kind, n = h&15, uint64(h>>4)
	if n == 15 {
		n = r.uvarint()
	}
	if n > uint64(len(r.b)) {
		r.fail()
		return 0, 0
	}
	return kind, n
}

// skip walks over a value. Booleans in a struct live in the field's header and take no bytes.
func (r *thriftReader) skip(kind byte, inStruct bool, depth int) {
	if depth > maxThriftDepth {
		r.fail()
		return
	}
	switch kind {
	case thriftTrue, thriftFalse:
		if !inStruct {
			r.byte()
		}
	case thriftByte:
		r.byte()
	case thriftI16, thriftI32, thriftI64:
		r.uvarint()
	case thriftDouble:
		r.bytes(8)
	case thriftBinary:
		r.bytes(r.uvarint())
	case thriftUUID:
		r.bytes(16)
	case thriftList, thriftSet:
		element, n := r.list()
		for ; n > 0 && r.err == nil; n-- {
			r.skip(element, false, depth+1)
		}
	case thriftMap:
		n := r.uvarint()
		if n == 0 {
			return
		}
		kinds := r.byte()
		for ; n > 0 && r.err == nil; n-- {
			r.skip(kinds>>4, false, depth+1)
			r.skip(kinds&15, false, depth+1)
		}
	case thriftStruct:
		for last := int64(0); r.err == nil; {
			kind, id := r.field(last)
			if kind == 0 {
				return
			}
			r.skip(kind, true, depth+1)
			last = id
		}
	default:
		r.fail()
	}
}

// parseFooter reads a FileMetaData.
func parseFooter(b []byte) (Footer, error) {
	r := &thriftReader{b: b}
	f := Footer{Rows: -1, KeyValues: map[string]string{}}
	for last := int64(0); r.err == nil; {
		kind, id := r.field(last)
		if kind == 0 {
			break
		}
		switch {
		case id == metaNumRows && kind == thriftI64:
			f.Rows = r.varint()
		case id == metaKeyValues && kind == thriftList:
			element, n := r.list()
			if element != thriftStruct && n > 0 {
				r.fail()
			}
			for ; n > 0 && r.err == nil; n-- {
				k, v := r.keyValue()
				f.KeyValues[k] = v
			}
		default:
			r.skip(kind, true, 0)
		}
		last = id
	}
	if r.err != nil {
		return Footer{}, r.err
	}
	if f.Rows < 0 {
		return Footer{}, fmt.Errorf("%w: it has no number of rows", errFooter)
	}
	return f, nil
}

func (r *thriftReader) keyValue() (key, value string) {
	for last := int64(0); r.err == nil; {
		kind, id := r.field(last)
		if kind == 0 {
			break
		}
		switch {
		case id == kvKey && kind == thriftBinary:
			key = string(r.bytes(r.uvarint()))
		case id == kvValue && kind == thriftBinary:
			value = string(r.bytes(r.uvarint()))
		default:
			r.skip(kind, true, 0)
		}
		last = id
	}
	return key, value
}
