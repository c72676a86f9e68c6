// Package decode races the decoder of package schema against other JSON libraries over the same result
// chunks, one call a chunk:
//
//	cd bench/decode && go test -run '^$' -bench .
//
// Nobody else does the same work, so each figure is read with this table beside it. Every row is true for
// the way the library is called here, and checked by TestClaims; that each has read every value of the
// documents is checked by TestRivals_DecodeTheDocuments.
//
//	tw2parquet      fills Arrow columns. Invalid UTF-8 and lone surrogates become U+FFFD and are counted;
//	                null, unknown members, values of another type and numbers out of range stay in _extra;
//	                of duplicates the last counts and the others are counted. Refuses what nests beyond 512.
//	encodingjson    fills structs, and the columns are still to be filled from them. Absent, null and zero
//	                look alike, unknown members are dropped, duplicates go unnoticed, names match in any
//	                case, and one value of another type or out of range (also 1e2 for an integer) is an
//	                error. Invalid UTF-8 is replaced, but nobody learns of it.
//	goccy           as encodingjson.
//	sonic-std       as encodingjson (ConfigStd).
//	sonic           as encodingjson, but invalid UTF-8 and bare control characters are let through
//	                (ConfigDefault). A Parquet string may not hold the former.
//	sonic-fastest   as sonic, and what it skips (unknown members) may be no JSON at all (ConfigFastest).
//	simdjson-tape   writes a tape of tokens: no member has been looked up, no struct or column filled.
//	                Invalid UTF-8 is let through. Surrogates: a lone first half is an error, a lone second
//	                half becomes invalid UTF-8, a first half before another escape a wrong character. Of
//	                duplicates a look-up gives the first. An integer above uint64 becomes a float64.
//	fastjson-tree   builds a tree over a copy of the chunk: strings stay escaped and numbers text until
//	                asked for, and what they hold is not checked (\q, \u12, 012, 1., 1-2e+.5, NaN, bare
//	                control characters and invalid UTF-8 all pass). Lone surrogates stay escapes, a first
//	                half before another escape swallows it. Of duplicates a look-up gives the first. Refuses
//	                what nests beyond 300.
//
// Integers of 64 bits are exact with all of them. Decoding with mailru/easyjson is not measured: it needs
// generated code for hand-written structs, while these structs come from the schema's table.
//
// sonic compiles decoders for the Go versions it knows and hands over to encoding/json on others;
// simdjson-go needs AVX2 and CLMUL. Where one cannot do the work itself, it is named and not measured.
package decode
