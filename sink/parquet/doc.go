// Package parquet turns Arrow records into Parquet files, and reads from foreign files only what can be
// read without trusting them.
//
// Writing takes two steps, so that one record can be encoded by many goroutines while another is
// written. An Encoder cuts the encoding of a record into independent tasks; once all of them have
// returned, the Writer takes the pages they made. A row group is several records: their pages wait in
// the Writer, compressed, until it is complete (RowGroupLimits).
//
//	record ─► Encoder.Encode ─► tasks: levels ─► values of a column ─► pages ─► codec
//	                                                                             │
//	    footer ◄─ Writer.Finish ◄─ row groups ◄─ waiting pages ◄─ Writer.Append ◄┘
//
// A column has one dictionary for the whole row group. Which values are in it depends on the records
// before, and where a row group ends on where the file ends, so tasks do not know it. They find
// the distinct values of their record and number them; Append, which sees the records in their order,
// renumbers those. It joins the numbers of several records, which take little room, to a page (openPage).
// So the same records make the same file, in whichever order tasks ran.
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
