// Package schema turns raw result chunks of the Talkwalker API into Arrow columns and rows back into
// documents.
//
// One table (fields.go) lists every field that an answer is known to hold. The Arrow schema, the
// encoder's plan and the way back are compiled from it, so a new field is a new row there. The schema is
// the same for every record, whatever the documents hold. Names and nesting are the API's: the members
// of chunk_result.data.data, then highlighted_data, which stands beside that document. Columns of ours
// begin with an underscore.
//
// # What a column holds
//
// A column holds a value if it has the type that the table says, else null. Numbers must have a value the
// column can represent: 1e2 and 100.0 are the integer 100, while 1.5 and 2^63 are not int64. A float64
// column holds the nearest float64, null if that is infinite. Times are sent in milliseconds and stored
// in microseconds; 0 and negative ones are kept as sent. One before 1582-10-15 or after the year 9999 (in UTC)
// is another system's "no date" or in a wrong unit: engines refuse it or read it differently, so it is in
// _extra and the column is null. Three deviations still fill the column: a
// string that is a number in a column of numbers, a string where a list of strings is usual, an object
// where a list of objects is usual (both become a list of one). An absent member is null; so is an
// explicit null. An element null of a list is a null element.
//
// # _extra
//
// What the columns alone would not give back is in _extra: a JSON object, or null where there is nothing.
// It mirrors the document:
//
//   - an unknown member stands at its place: {"extra_author_attributes":{"new":1},"brand_new":[2]};
//   - so does the original of a value that is not, or not exactly, what its column holds: a value of
//     another type, an explicit null, a number that does not survive by value (1e999, 2^63 in an int64,
//     0.10000000000000000001; minus zero in an integer column), a list of strings with other elements in
//     it, a string where a list is usual;
//   - a list of objects is mirrored element by element: {} where an element has nothing, none after the
//     last that has something. An element that is not an object stands there itself.
//
// Rebuilding, an object in _extra adds its members to the object, list element or map of scores at its
// place; anything else replaces what the columns hold: _extra wins.
//
// The member "$chunk" mirrors the chunk around the document: members of the chunk, of chunk_result and of
// its data, extras of highlighted_data, a chunk_type other than CT_RESULT. A member of the document
// whose name starts with "$" has one more "$" in _extra.
//
// Values stand in _extra (and in custom, which is JSON text itself) with the text they came in, numbers
// digit by digit, without white space between tokens.
//
// # What is lossless
//
// Rebuild gives the members and values of the document, numbers by value, order and white space aside.
// Of members with the same name the last counts, as for encoding/json, the others leave nothing, and that
// is counted; inside a value that stands in _extra as a whole nobody looks. Columns must be valid UTF-8:
// each byte that is not part of valid UTF-8 and each surrogate without its other half becomes U+FFFD,
// and that is counted. This is the only loss, and encoding/json makes the same. U+0000 and every other
// character survive.
//
// # The grammar
//
// Append accepts what encoding/json accepts and refuses what it refuses, with these differences:
//
//   - a chunk must be an object with an object at chunk_result.data.data; nothing else has a row;
//   - arrays and objects nest at most 512 deep (encoding/json: 10,000), for nothing real comes near and
//     readers of the columns have limits of their own;
//   - a chunk holds at most 512 MiB, for Arrow's utf8 offsets have 32 bits.
//
// Member names are case-sensitive; escaped names match too ("\u0075rl" is url).
package schema
