package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"

	"tw2parquet/sink"
	"tw2parquet/sink/store"
)

// part is a data file of a run.
type part struct {
	run     *run
	name    string
	entry   store.Entry
	seq     int
	want    *sink.File     // what the manifest says, nil without one
	said    sink.Published // what its footer says
	reading Reading
	problem string // the first; one is enough to distrust the rest
	read    bool   // said is filled in
}

// account is the file as the manifest has it, or else as its own footer has it.
func (p *part) account() (sink.File, bool) {
	switch {
	case p.want != nil:
		return *p.want, true
	case p.read:
		return p.said.File, true
	}
	return sink.File{}, false
}

// checkParts examines files by themselves: footer, checksums, and every value. An error is not about a file.
func (v *verifier) checkParts(ctx context.Context, parts []*part) error {
	var sound []*part
	var files []opened
	defer func() {
		for _, f := range files {
			f.file.Close()
		}
	}()
	for _, p := range parts {
		f, err := store.OpenFile(ctx, v.store, p.entry)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			p.problem = unreadable(err)
			continue
		}
		if err := p.check(ctx, f); err != nil || p.problem != "" {
			f.Close()
			if err != nil {
				return err
			}
			continue
		}
		sound, files = append(sound, p), append(files, opened{f, p.entry.Size})
	}
	if len(files) == 0 {
		return nil
	}
	readings, err := v.read(ctx, files)
	if err != nil {
		return err
	}
	for i, p := range sound {
		p.reading = readings[i]
		switch {
		case p.reading.Reason != "":
			p.problem = p.reading.Reason
		case p.reading.Rows != p.said.Rows:
			p.problem = fmt.Sprintf("%d rows were read, the footer says %d", p.reading.Rows, p.said.Rows)
		}
	}
	return nil
}

// check compares footer and checksums: only then is the file worth a library's trust.
func (p *part) check(ctx context.Context, f *os.File) (err error) {
	size := p.entry.Size
	if p.said, err = sink.ReadPublished(f, size); err != nil {
		p.problem = clean(err.Error())
		return nil
	}
	p.said.Name, p.said.Bytes = p.name, size
	p.read = true
	if p.problem = p.compare(size); p.problem != "" {
		return nil
	}
	p.problem, err = p.hash(ctx, f, size)
	return err
}

// compare holds the footer against the file's place and the manifest.
func (p *part) compare(size int64) string {
	s := &p.said
	switch {
	case s.Run != p.run.ID:
		return fmt.Sprintf("its footer says run %q", clean(s.Run))
	case s.Seq != p.seq:
		return fmt.Sprintf("its footer says number %d", s.Seq)
	case newer(s.SchemaVersion) != "":
		return newer(s.SchemaVersion)
	case s.FirstOrdinal > s.NextOrdinal || s.Rows > s.NextOrdinal-s.FirstOrdinal || s.Rejected != s.NextOrdinal-s.FirstOrdinal-s.Rows:
		return fmt.Sprintf("%d rows and %d rejects from result %d on do not end at %d", s.Rows, s.Rejected, s.FirstOrdinal, s.NextOrdinal)
	case s.DataBytes > size:
		return "shorter than its footer says"
	case p.want == nil:
		return ""
	}
	w := p.want
	for _, c := range []struct {
		what string
		ok   bool
	}{
		{"size", size == w.Bytes},
		{"rows", s.Rows == w.Rows},
		{"rejects", s.Rejected == w.Rejected && s.Rejects == w.Rejects},
		{"offset before it", s.FromOffset == w.FromOffset},
		{"offset after it", s.ToOffset == w.ToOffset},
		{"first ordinal", s.FirstOrdinal == w.FirstOrdinal},
		{"next ordinal", s.NextOrdinal == w.NextOrdinal},
		{"notes", maps.Equal(s.Notes, w.Notes)},
		{"schema version", s.SchemaVersion == p.run.manifest.SchemaVersion},
	} {
		if !c.ok {
			return fmt.Sprintf("its footer and the manifest differ in its %s", c.what)
		}
	}
	return ""
}

// hash reads every byte and compares both checksums.
func (p *part) hash(ctx context.Context, f io.ReaderAt, size int64) (problem string, err error) {
	h := sha256.New()
	if problem, err := feed(ctx, h, f, 0, p.said.DataBytes); problem != "" || err != nil {
		return problem, err
	}
	if hex.EncodeToString(h.Sum(nil)) != p.said.DataSHA256 {
		return "damaged: its bytes are not those that were written", nil
	}
	if problem, err := feed(ctx, h, f, p.said.DataBytes, size); problem != "" || err != nil {
		return problem, err
	}
	if p.want != nil && hex.EncodeToString(h.Sum(nil)) != p.want.SHA256 {
		return "damaged: its bytes do not match the checksum in the manifest", nil
	}
	return "", nil
}

// hashBytes is read between two looks at the context.
const hashBytes = 1 << 20

// feed hashes the bytes from one position of a file to another.
func feed(ctx context.Context, h hash.Hash, f io.ReaderAt, from, to int64) (problem string, err error) {
	buf := make([]byte, max(0, min(hashBytes, to-from)))
	for from < to {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		b := buf[:min(int64(len(buf)), to-from)]
		if n, err := f.ReadAt(b, from); n < len(b) {
			if ctx.Err() != nil {
				return "", context.Cause(ctx)
			}
			return unreadable(short(err)), nil
		}
		h.Write(b)
		from += int64(len(b))
	}
	return "", nil
}

// short is the error of a read that did not bring all that was asked for.
func short(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
