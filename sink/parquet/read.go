package parquet

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// This file is what readers need to know of where a file's pages lie. None of it is trusted: nothing is
// allocated by a length that the file only claims.

// RowGroup is a row group as the footer describes it.
type RowGroup struct {
	Rows   int64
	Chunks []Chunk
}

// Chunk is the pages of one column in a row group.
type Chunk struct {
	Column       string // path in the schema, with dots
	Codec        int64  // CompressionCodec of parquet.thrift
	Values       int64  // entries, nulls included
	First        int64  // byte position of the first page header
	Bytes        int64  // from there on
	Uncompressed int64
	Nulls        int64 // entries without a value, as the statistics count them; -1 if they do not
}

// Fields of FileMetaData, RowGroup, ColumnChunk and ColumnMetaData (parquet.thrift).
const (
	metaRowGroups    = 4
	groupColumns     = 1
	groupRows        = 3
	chunkFilePath    = 1
	chunkMeta        = 3
	columnPath       = 3
	columnCodec      = 4
	columnValues     = 5
	columnRaw        = 6
	columnBytes      = 7
	columnDataPage   = 9
	columnDictionary = 11
	columnStatistics = 12
	statisticsNulls  = 3
	smallestColumn   = 8 // bytes of a ColumnChunk that has all it needs, and then some
)

// ReadRowGroups reads where the pages of a file lie. Every chunk it returns lies between the magic
// bytes and the footer.
func ReadRowGroups(r io.ReaderAt, size int64) ([]RowGroup, error) {
	f, err := ReadFooter(r, size)
	if err != nil {
		return nil, err
	}
	start := size - 8 - int64(len(f.raw))
	t := &thriftReader{b: f.raw}
	var groups []RowGroup
	t.fields(func(kind byte, id int64) bool {
		if id != metaRowGroups || kind != thriftList {
			return false
		}
		t.structs(func() { groups = append(groups, t.readRowGroup()) })
		return true
	})
	if t.err != nil {
		return nil, t.err
	}
	for i := range groups {
		for _, c := range groups[i].Chunks {
			if c.First < 4 || c.Bytes < 0 || c.Values < 0 || c.First > start || c.Bytes > start-c.First {
				return nil, fmt.Errorf("column %s lies at %d to %d of %d bytes", shorten(c.Column), c.First, c.First+c.Bytes, start)
			}
		}
		if groups[i].Rows < 0 {
			return nil, errFooter
		}
	}
	return groups, nil
}

func (r *thriftReader) readRowGroup() RowGroup {
	g := RowGroup{Rows: -1}
	r.fields(func(kind byte, id int64) bool {
		switch {
		case id == groupRows && kind == thriftI64:
			g.Rows = r.varint()
		case id == groupColumns && kind == thriftList:
			r.structs(func() { g.Chunks = append(g.Chunks, r.columnChunk()) })
		default:
			return false
		}
		return true
	})
	return g
}

func (r *thriftReader) columnChunk() Chunk {
	c, before := Chunk{Bytes: -1, Values: -1, Codec: -1, Nulls: -1}, len(r.b)
	data, dictionary := int64(0), int64(0)
	r.fields(func(kind byte, id int64) bool {
		if id == chunkFilePath {
			r.fail() // pages in another file: nobody writes that, and a reader would open it
		}
		if id != chunkMeta || kind != thriftStruct {
			return false
		}
		r.fields(func(kind byte, id int64) bool {
			switch {
			case id == columnPath && kind == thriftList:
				element, n := r.list()
				if element != thriftBinary {
					r.fail()
				}
				for ; n > 0 && r.err == nil; n-- {
					c.Column += "." + string(r.bytes(r.uvarint()))
				}
				c.Column = strings.TrimPrefix(c.Column, ".")
			case id == columnCodec && kind == thriftI32:
				c.Codec = r.varint()
			case id == columnValues && kind == thriftI64:
				c.Values = r.varint()
			case id == columnRaw && kind == thriftI64:
				c.Uncompressed = r.varint()
			case id == columnBytes && kind == thriftI64:
				c.Bytes = r.varint()
			case id == columnDataPage && kind == thriftI64:
				data = r.varint()
			case id == columnDictionary && kind == thriftI64:
				dictionary = r.varint()
			case id == columnStatistics && kind == thriftStruct:
				r.fields(func(kind byte, id int64) bool {
					if id != statisticsNulls || kind != thriftI64 {
						return false
					}
					c.Nulls = r.varint()
					return true
				})
			default:
				return false
			}
			return true
		})
		return true
	})
	if c.First = data; dictionary > 0 && dictionary < data {
		c.First = dictionary
	}
	if c.Nulls > c.Values {
		r.fail()
	}
	if c.Bytes < 0 || c.Values < 0 || c.Codec < 0 || data == 0 || before-len(r.b) < smallestColumn {
		r.fail()
	}
	return c
}

// PageHeader is the header before a page's body.
type PageHeader struct {
	Type         int64 // PageType of parquet.thrift
	Uncompressed int64
	Bytes        int64 // of the body
	Values       int64 // entries, nulls included
	Rows         int64 // of a data page of version 2, else -1
	CRC          uint32
	HasCRC       bool
	Length       int // of the header
}

// Page types, and fields of PageHeader (parquet.thrift).
const (
	DataPage       = 0
	DictionaryPage = 2
	DataPageV2     = 3

	pageType         = 1
	pageUncompressed = 2
	pageCompressed   = 3
	pageCRC          = 4
	pageData         = 5
	pageDictionary   = 7
	pageDataV2       = 8
	pageValues       = 1 // of each of the three structs
	pageRows         = 3 // of DataPageHeaderV2
)

// ErrPageHeader says that bytes do not begin with a page header, or with a part of one only.
var ErrPageHeader = errors.New("no page header")

// ReadPageHeader reads the page header at the beginning of b.
func ReadPageHeader(b []byte) (PageHeader, error) {
	h := PageHeader{Type: -1, Uncompressed: -1, Bytes: -1, Values: -1, Rows: -1}
	r := &thriftReader{b: b}
	r.fields(func(kind byte, id int64) bool {
		switch {
		case kind == thriftI32 && id == pageType:
			h.Type = r.varint()
		case kind == thriftI32 && id == pageUncompressed:
			h.Uncompressed = r.varint()
		case kind == thriftI32 && id == pageCompressed:
			h.Bytes = r.varint()
		case kind == thriftI32 && id == pageCRC:
			h.CRC, h.HasCRC = uint32(r.varint()), true
		case kind == thriftStruct && (id == pageData || id == pageDictionary || id == pageDataV2):
			v2 := id == pageDataV2
			r.fields(func(kind byte, id int64) bool {
				switch {
				case id == pageValues && kind == thriftI32:
					h.Values = r.varint()
				case id == pageRows && kind == thriftI32 && v2:
					h.Rows = r.varint()
				default:
					return false
				}
				return true
			})
		default:
			return false
		}
		return true
	})
	if h.Length = len(b) - len(r.b); r.err != nil || h.Uncompressed < 0 || h.Bytes < 0 || h.Values < 0 {
		return PageHeader{}, ErrPageHeader
	}
	return h, nil
}

// fields walks over a struct; read takes a field's value, or leaves it and returns false.
func (r *thriftReader) fields(read func(kind byte, id int64) bool) {
	for last := int64(0); r.err == nil; {
		kind, id := r.field(last)
		if kind == 0 {
			return
		}
		if !read(kind, id) && r.err == nil {
			r.skip(kind, true, 0)
		}
		last = id
	}
}

// structs walks over a list of structs.
func (r *thriftReader) structs(read func()) {
	element, n := r.list()
	if element != thriftStruct && n > 0 {
		r.fail()
	}
	for ; n > 0 && r.err == nil; n-- {
		read()
	}
}
