package parquet

import (
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/parquet-go/parquet-go/format"
)

// columnClass is how a column's values are encoded, before the codec sees them.
type columnClass struct {
	name       string
	encoding   format.Encoding // where no dictionary is used
	dictionary int             // most distinct values in a record of which a dictionary is made; 0: none is tried
	pageBytes  int             // values of a page, before encoding
	boundBytes int             // longest min or max kept in statistics
}

const (
	pageBytes     = 1 << 20
	textPageBytes = 8 << 20

	// dictionaryEntries, of a record, keeps the hash table inside the first level cache.
	dictionaryEntries = 4096
	// dictionaryShare is the most distinct values per value a dictionary pays for: it won in every
	// column up to 0.43 and lost in every one from 0.8.
	dictionaryShare = 0.43
	// chunkEntries and dictionaryBytes bound the dictionary of a column of a whole row group, which readers hold in
	// memory: 15 bits a number, and what DuckDB and parquet-mr allow by default.
	chunkEntries    = 1 << 15
	dictionaryBytes = 1 << 20
	// fewIntegers: up to it a dictionary of integers always wins, above it the sizes are compared.
	fewIntegers = 11
	// dictionaryMinBytes: below it the second page header costs more than a dictionary saves.
	dictionaryMinBytes = 512
)

// The classes, with the encodings that Compact has for them; Broad has PLAIN for every one. Figures are bytes
// of a column in a record of 8,577 generated results, after zstd level 3, for DELTA_LENGTH_BYTE_ARRAY /
// DELTA_BYTE_ARRAY / a dictionary where nothing else is said.
//
//	class    hint      such as             encoding                 dictionary  page   because
//	text     long      content             DELTA_LENGTH_BYTE_ARRAY  none        8 MiB  1/2/4/8 MiB pages: 224.8/223.0/221.5/220.3 MB a file
//	prefixed prefixed  addresses, ids      DELTA_BYTE_ARRAY         4,096       1 MiB  url 234,860/229,182, a link 160,473/144,688,
//	                                                                                   id of a post 10,281/9,787
//	string             every other string  DELTA_LENGTH_BYTE_ARRAY  4,096       1 MiB  title 277,331/296,765, host 46,902/49,322/36,301,
//	                                                                                   author's id 77,827/79,485, snippet 337,436/338,967
//	integer            integers and times  DELTA_BINARY_PACKED      4,096       1 MiB  deltas/dictionary: pageviews of sources 25,300/18,600,
//	                                                                                   engagement 9,506/7,117; times never repeat
//	double             coordinates         PLAIN                    4,096       1 MiB  cities repeat; BYTE_STREAM_SPLIT doubled the size
//	score    distinct  scores              PLAIN                    none        1 MiB  no value repeats
//	boolean            booleans            PLAIN                    none        1 MiB  bit-packed already
//
// A dictionary is a limit, not a promise: the column's values in a record decide, see dictionaryShare, and then
// whether they fit into that of the row group. A share of 0.6 made a file of row groups of several records 0.03 %
// smaller. The limits are the same for PLAIN: dictionaries of up to 16,384 entries changed nothing for
// Broad, and shares of 0.6, 0.8 and 0.95 made a file of the mix 0, 0.02 and 1.3 % larger.
func classOf(h hints, physical format.Type, e Encodings) columnClass {
	switch physical {
	case format.Boolean:
		return columnClass{name: "boolean", encoding: format.Plain, pageBytes: pageBytes}
	case format.Int32, format.Int64:
		return columnClass{name: "integer", encoding: e.orPlain(format.DeltaBinaryPacked), dictionary: dictionaryEntries, pageBytes: pageBytes}
	case format.Double:
		if h.distinct {
			return columnClass{name: "score", encoding: format.Plain, pageBytes: pageBytes}
		}
		return columnClass{name: "double", encoding: format.Plain, dictionary: dictionaryEntries, pageBytes: pageBytes}
	}
	switch {
	case h.long:
		return columnClass{name: "text", encoding: e.orPlain(format.DeltaLengthByteArray), pageBytes: textPageBytes, boundBytes: 16}
	case h.prefixed:
		return columnClass{name: "prefixed", encoding: e.orPlain(format.DeltaByteArray), dictionary: dictionaryEntries, pageBytes: pageBytes, boundBytes: 64}
	}
	return columnClass{name: "string", encoding: e.orPlain(format.DeltaLengthByteArray), dictionary: dictionaryEntries, pageBytes: pageBytes, boundBytes: 32}
}

// HintKey is the key of a field's metadata, in an Arrow schema, that says what is known of its values. Its
// value is a list of words, separated by spaces; unknown ones are ignored. What is said of a list or map
// holds for what is in it.
//
//	long      whole texts: large pages, short bounds, no dictionary
//	prefixed  many values begin alike, as addresses do
//	distinct  hardly any value comes twice: no dictionary of numbers
//	lookup    single rows are looked up by it: a Bloom filter, of strings
const HintKey = "tw2parquet.hints"

// hints are the words of HintKey.
type hints struct{ long, prefixed, distinct, lookup bool }

// hintsOf reads what a field says, or else what is said of the field around it.
func hintsOf(f arrow.Field, around hints) hints {
	words, ok := f.Metadata.GetValue(HintKey)
	if !ok {
		return around
	}
	var h hints
	for word := range strings.FieldsSeq(words) {
		switch word {
		case "long":
			h.long = true
		case "prefixed":
			h.prefixed = true
		case "distinct":
			h.distinct = true
		case "lookup":
			h.lookup = true
		}
	}
	return h
}
