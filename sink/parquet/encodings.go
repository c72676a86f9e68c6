package parquet

import (
	"encoding/binary"
	"fmt"

	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/plain"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/format"
)

// Encodings says which encodings of values a file may use. Files tell their readers what they hold, so a
// run may have files of both kinds.
type Encodings uint8

const (
	// Broad uses PLAIN and dictionaries only, which every reader knows: it is what parquet-mr and DuckDB write
	// by default. It is the zero value because a file that an engine refuses is worth nothing there.
	Broad Encodings = iota
	// Compact also uses the delta encodings, where they are smaller: files of a project's results shrink by 2 %,
	// those of short ones by 15. The encodings came with version 2 of the format, and some engines read them only
	// in version 2 data pages, or not at all.
	Compact
)

// UnmarshalText reads "broad" or "compact".
func (e *Encodings) UnmarshalText(text []byte) error {
	for _, known := range []Encodings{Broad, Compact} {
		if string(text) == known.String() {
			*e = known
			return nil
		}
	}
	return fmt.Errorf("encodings %q: use broad or compact", text)
}

// String is the form that UnmarshalText reads.
func (e Encodings) String() string {
	switch e {
	case Broad:
		return "broad"
	case Compact:
		return "compact"
	}
	return fmt.Sprintf("Encodings(%d)", uint8(e))
}

// Validate refuses an unknown choice.
func (e Encodings) Validate() error {
	if e > Compact {
		return fmt.Errorf("encodings: unknown choice %d", e)
	}
	return nil
}

// orPlain is a delta encoding where it may be used.
func (e Encodings) orPlain(delta format.Encoding) format.Encoding {
	if e == Compact {
		return delta
	}
	return format.Plain
}

// version is the format's that the footer names (parquet.thrift, FileMetaData): some readers refuse 2, which
// stands for the delta encodings.
func (e Encodings) version() int32 {
	if e == Compact {
		return 2
	}
	return 1
}

// levelBytes starts a version 1 data page: repetition levels, then definition levels, each with its
// length in four bytes, each only if it can differ (Parquet format, README.md, Data Pages).
func (s *scratch) levelBytes(l *leaf, def []uint8, all uint8, rep []uint8, slots int) ([]byte, error) {
	raw := s.raw[:0]
	var err error
	if l.maxRep > 0 {
		if raw, err = appendLevels(raw, rep, 0, slots, l.maxRep); err != nil {
			return raw, err
		}
	}
	if l.maxDef > 0 {
		raw, err = appendLevels(raw, def, all, slots, l.maxDef)
	}
	return raw, err
}

// appendLevels writes levels as the run length and bit packing hybrid. levels nil means slots
// times all: one run.
func appendLevels(dst []byte, levels []uint8, all uint8, slots int, maximum uint8) ([]byte, error) {
	start := len(dst)
	dst, err := appendRuns(append(dst, 0, 0, 0, 0), levels, all, slots, maximum)
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst, err
}

// appendRuns is appendLevels without the length. Runs of neighbouring slots may be joined: parquet-go's encoder packs
// whole groups of eight only, and never fills one up.
func appendRuns(dst []byte, levels []uint8, all uint8, slots int, maximum uint8) ([]byte, error) {
	if levels == nil {
		return append(binary.AppendUvarint(dst, uint64(slots)<<1), all), nil
	}
	e := rle.Encoding{BitWidth: levelWidth(maximum)}
	return appendTo(dst, func(b []byte) ([]byte, error) { return e.EncodeLevels(b, levels) })
}

// appendLevelRuns is levelBytes of levels that are runs already.
func appendLevelRuns(dst, reps, defs []byte, l *leaf) []byte {
	if l.maxRep > 0 {
		dst = append(binary.LittleEndian.AppendUint32(dst, uint32(len(reps))), reps...)
	}
	if l.maxDef > 0 {
		dst = append(binary.LittleEndian.AppendUint32(dst, uint32(len(defs))), defs...)
	}
	return dst
}

// appendTo lets an encoder that fills a slice from its start append to dst instead.
func appendTo(dst []byte, encode func([]byte) ([]byte, error)) ([]byte, error) {
	free := dst[len(dst):]
	out, err := encode(free)
	if err != nil || len(out) == 0 {
		return dst, err
	}
	if cap(free) > 0 && &out[0] == &free[:1][0] {
		return dst[:len(dst)+len(out)], nil
	}
	return append(dst, out...), nil
}

func (s *scratch) appendValues(dst []byte, e format.Encoding, l *leaf, v *values) ([]byte, error) {
	if v.n == 0 {
		return dst, nil
	}
	switch l.physical {
	case format.Boolean:
		return appendBits(dst, v.bools), nil
	case format.Double:
		return appendTo(dst, func(b []byte) ([]byte, error) { return new(plain.Encoding).EncodeDouble(b, v.doubles) })
	case format.Int32:
		if e == format.DeltaBinaryPacked {
			return appendTo(dst, func(b []byte) ([]byte, error) { return new(delta.BinaryPackedEncoding).EncodeInt32(b, v.int32s) })
		}
		return appendTo(dst, func(b []byte) ([]byte, error) { return new(plain.Encoding).EncodeInt32(b, v.int32s) })
	case format.Int64:
		if e == format.DeltaBinaryPacked {
			return appendTo(dst, func(b []byte) ([]byte, error) { return new(delta.BinaryPackedEncoding).EncodeInt64(b, v.int64s) })
		}
		return appendTo(dst, func(b []byte) ([]byte, error) { return new(plain.Encoding).EncodeInt64(b, v.int64s) })
	}
	switch e {
	case format.DeltaByteArray:
		return appendTo(dst, func(b []byte) ([]byte, error) {
			return new(delta.ByteArrayEncoding).EncodeByteArray(b, v.data, v.offsets)
		})
	case format.DeltaLengthByteArray:
		dst, err := s.appendLengths(reserve(dst, v.stringBytes()+5*v.n+64), v)
		return append(dst, v.data[v.offsets[0]:v.offsets[v.n]]...), err
	}
	dst = reserve(dst, v.stringBytes()+4*v.n)
	for i := range v.n {
		value := v.at(i)
		dst = append(binary.LittleEndian.AppendUint32(dst, uint32(len(value))), value...)
	}
	return dst, nil
}

func (s *scratch) appendLengths(dst []byte, v *values) ([]byte, error) {
	lengths := resize(&s.lengths, v.n)
	for i := range lengths {
		lengths[i] = int32(v.offsets[i+1] - v.offsets[i])
	}
	return appendTo(dst, func(b []byte) ([]byte, error) { return new(delta.BinaryPackedEncoding).EncodeInt32(b, lengths) })
}

// reserve makes room for n more bytes. A buffer that grows from page to page does so in few steps, for each leaves garbage.
func reserve(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	return append(make([]byte, 0, max(len(b)+n, min(2*cap(b), scratchLimit))), b...)
}

// appendBits packs booleans as PLAIN does, first value in the lowest bit.
func appendBits(dst, bools []byte) []byte {
	for i := 0; i < len(bools); i += 8 {
		var b byte
		for j, v := range bools[i:min(i+8, len(bools))] {
			b |= v << j
		}
		dst = append(dst, b)
	}
	return dst
}
