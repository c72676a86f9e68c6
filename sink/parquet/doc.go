// Package parquet turns Arrow records into Parquet files, and reads from foreign files only what can be
// read without trusting them.
//
// Writing takes two steps, so that one row group can be encoded by many goroutines while another is
// written. An Encoder cuts the encoding of a record into independent tasks; once all of them have
// returned, the Writer appends the row group they made:
//
//	record ─► Encoder.Encode ─► tasks: levels ─► values of a column ─► pages ─► codec
//	                                                                             │
//	                     footer ◄─ Writer.Finish ◄─ Writer.Append ◄─ row group ◄─┘
//
// The files follow the Parquet format of the Apache project: data pages of version 1 with checksums,
// statistics, page index and Bloom filters. Comments name the page of the format's documentation where
// a number or an order comes from.
//
// Reading (ReadFooter, ReadRowGroups, ReadPageHeader) walks over the Thrift structs and allocates
// nothing by a length that a file only claims. Values are read with other libraries.
//
// The package knows no run, no column by name, and no place where files lie.
package parquet
