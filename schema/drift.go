package schema

import (
	"maps"
	"unicode/utf8"
)

// Drift tells how documents differed from the table. It is plain data: encoding it as JSON and back
// gives an equal one, except for empty maps.
type Drift struct {
	// Unknown counts members without a column by their path, "[]" standing for list elements and
	// "$chunk" for what surrounds the document.
	Unknown map[string]Seen `json:"unknown,omitempty"`
	// Coerced counts, by path, values of another type than the field's, or beyond what its column
	// holds. Explicit nulls are not counted.
	Coerced map[string]int64 `json:"coerced,omitempty"`
	// DuplicateKeys counts members that lost against a later one of the same name.
	DuplicateKeys int64 `json:"duplicate_keys,omitempty"`
	// ReplacedUTF8 counts U+FFFD written for invalid bytes and lone surrogates.
	ReplacedUTF8 int64 `json:"replaced_utf8,omitempty"`
}

// Seen is how often a member occurred, and the JSON type of one example.
type Seen struct {
	Count int64  `json:"count"`
	Type  string `json:"type"`
}

// Other is the path under which Unknown counts the members that would exceed MaxUnknown paths.
const Other = "(other)"

// MaxUnknown is the number of different paths that Unknown holds at most, besides Other.
const MaxUnknown = 1000

const maxPath = 200 // bytes of an unknown path that are kept

// Merge adds the counts of another report, which may be nil.
func (d *Drift) Merge(other *Drift) {
	if other == nil {
		return
	}
	for path, s := range other.Unknown {
		if d.Unknown == nil {
			d.Unknown = map[string]Seen{}
		}
		have, ok := d.Unknown[path]
		if !ok && len(d.Unknown) >= MaxUnknown && path != Other {
			path = Other
			have = d.Unknown[path]
		}
		if have.Type == "" {
			have.Type = s.Type
		}
		have.Count += s.Count
		d.Unknown[path] = have
	}
	for path, n := range other.Coerced {
		if d.Coerced == nil {
			d.Coerced = map[string]int64{}
		}
		d.Coerced[path] += n
	}
	d.DuplicateKeys += other.DuplicateKeys
	d.ReplacedUTF8 += other.ReplacedUTF8
}

// Drift reports on the rows appended since Reset. The result is the caller's.
func (e *Encoder) Drift() *Drift {
	d := &Drift{DuplicateKeys: e.counts.duplicates, ReplacedUTF8: e.counts.replaced}
	for path, s := range e.unknown {
		if s.Count == 0 {
			continue
		}
		if d.Unknown == nil {
			d.Unknown = make(map[string]Seen, len(e.unknown))
		}
		d.Unknown[path] = *s
	}
	if len(e.coerced) > 0 {
		d.Coerced = maps.Clone(e.coerced)
	}
	return d
}

// observe counts a value that goes to _extra.
func (e *Encoder) observe(x *extra, path string, raw []byte) {
	if x.m != nil {
		if raw[0] != 'n' {
			e.coerced[x.m.path]++
		}
		return
	}
	full := append(e.scratch[:0], path...)
	if path != "" {
		full = append(full, '.')
	}
	full = append(full, x.key...)
	e.scratch = full
	if len(full) > maxPath {
		full = full[:maxPath]
		for !utf8.Valid(full) {
			full = full[:len(full)-1]
		}
	}
	s := e.unknown[string(full)]
	if s == nil {
		name := string(full)
		if len(e.unknown) >= MaxUnknown {
			name = Other
		}
		if s = e.unknown[name]; s == nil {
			s = &Seen{}
			e.unknown[name] = s
		}
	}
	if s.Count == 0 {
		s.Type = kind(raw[0])
	}
	s.Count++
}

// Empty reports whether every document was as the table expects.
func (d *Drift) Empty() bool {
	return len(d.Unknown) == 0 && len(d.Coerced) == 0 && d.DuplicateKeys == 0 && d.ReplacedUTF8 == 0
}
