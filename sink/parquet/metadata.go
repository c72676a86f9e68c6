package parquet

import (
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// The footer's Thrift structs, as far as this package fills them (Parquet format, parquet.thrift).
// parquet-go's own lack the exactness flags of statistics, which is why all that contain them are
// declared here too; everything else is parquet-go's.

type fileMetaData struct {
	Version          int32                              `thrift:"1,required"`
	Schema           thrift.Slice[format.SchemaElement] `thrift:"2,required"`
	NumRows          int64                              `thrift:"3,required"`
	RowGroups        thrift.Slice[rowGroupMetaData]     `thrift:"4,required"`
	KeyValueMetadata thrift.Slice[format.KeyValue]      `thrift:"5,optional"`
	CreatedBy        string                             `thrift:"6,optional"`
	ColumnOrders     thrift.Slice[format.ColumnOrder]   `thrift:"7,optional"`
}

type rowGroupMetaData struct {
	Columns             thrift.Slice[columnChunk] `thrift:"1,required"`
	TotalByteSize       int64                     `thrift:"2,required"`
	NumRows             int64                     `thrift:"3,required"`
	FileOffset          int64                     `thrift:"5,optional"`
	TotalCompressedSize int64                     `thrift:"6,optional"`
	Ordinal             thrift.Null[int16]        `thrift:"7,optional"`
}

type columnChunk struct {
	FileOffset        int64          `thrift:"2,required"` // of metadata outside the footer: 0, there is none
	MetaData          columnMetaData `thrift:"3,optional"`
	OffsetIndexOffset int64          `thrift:"4,optional"`
	OffsetIndexLength int32          `thrift:"5,optional"`
	ColumnIndexOffset int64          `thrift:"6,optional"`
	ColumnIndexLength int32          `thrift:"7,optional"`
}

type columnMetaData struct {
	Type                  format.Type                            `thrift:"1,required"`
	Encoding              thrift.Slice[format.Encoding]          `thrift:"2,required"`
	PathInSchema          thrift.Slice[string]                   `thrift:"3,required"`
	Codec                 format.CompressionCodec                `thrift:"4,required"`
	NumValues             int64                                  `thrift:"5,required"`
	TotalUncompressedSize int64                                  `thrift:"6,required"`
	TotalCompressedSize   int64                                  `thrift:"7,required"`
	DataPageOffset        int64                                  `thrift:"9,required"`
	DictionaryPageOffset  int64                                  `thrift:"11,optional"`
	Statistics            statistics                             `thrift:"12,optional,writezero"`
	EncodingStats         thrift.Slice[format.PageEncodingStats] `thrift:"13,optional"`
	BloomFilterOffset     int64                                  `thrift:"14,optional"`
	BloomFilterLength     int32                                  `thrift:"15,optional"`
	SizeStatistics        format.SizeStatistics                  `thrift:"16,optional"`
}

type statistics struct {
	NullCount     int64             `thrift:"3,optional,writezero"`
	DistinctCount int64             `thrift:"4,optional"`
	MaxValue      []byte            `thrift:"5,optional"`
	MinValue      []byte            `thrift:"6,optional"`
	ExactMax      thrift.Null[bool] `thrift:"7,optional"`
	ExactMin      thrift.Null[bool] `thrift:"8,optional"`
}

// boundaryOrder says how the pages' bounds follow each other, null pages left out (PageIndex.md).
func boundaryOrder(pages []page, physical format.Type) format.BoundaryOrder {
	ascending, descending := true, true
	var last *bounds
	for i := range pages {
		b := &pages[i].bounds
		if !b.known() {
			continue
		}
		if last != nil {
			low, high := compareBounds(last.min, b.min, physical), compareBounds(last.max, b.max, physical)
			ascending = ascending && low <= 0 && high <= 0
			descending = descending && low >= 0 && high >= 0
		}
		last = b
	}
	switch {
	case ascending:
		return format.Ascending
	case descending:
		return format.Descending
	}
	return format.Unordered
}
