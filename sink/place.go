package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"strings"

	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
)

// place is where a run is in a store. It reads what is there, and says what is wrong with it; it changes nothing.
type place struct {
	store   store.Store
	layout  layout
	version string // of the schema that is written
	log     *slog.Logger
}

// runDir is a run's directory as one listing found it: one request, where each of these would take its own.
type runDir struct {
	manifest store.Entry // the one that counts
	number   int         // of it; -1: there is none
	rejects  map[string]store.Entry
	dropped  string // the record that says so, if the run is being dropped or was
	tabled   bool   // a table may name files of the run
}

func (pl place) listDir(ctx context.Context) (*runDir, error) {
	d := &runDir{number: -1, rejects: map[string]store.Entry{}}
	for e, err := range pl.store.List(ctx, pl.layout.runDir()+"/") {
		base := path.Base(e.Name)
		k, manifest := pl.layout.manifestNumber(base)
		_, rejects := rejectsOf(base)
		in := path.Dir(e.Name) == pl.layout.runDir()
		if err != nil && in && !manifest && !rejects && base != DroppingRecord && base != DroppedRecord {
			continue // a name that is not looked for cannot be looked at
		}
		switch {
		case err != nil:
			return nil, err
		case in && (base == DroppedRecord || base == DroppingRecord && d.dropped == ""):
			d.dropped = e.Name
		case in && (strings.HasPrefix(base, RegisteringPrefix) || strings.HasPrefix(base, RegisteredPrefix)):
			d.tabled = true
		case in && manifest && k > d.number:
			d.manifest, d.number = e, k
		case in && rejects && e.Regular:
			d.rejects[e.Name] = e
		}
	}
	return d, nil
}

// readPart reads the footer of file number seq.
func (pl place) readPart(ctx context.Context, seq int, e store.Entry) (File, error) {
	name := e.Name
	footer, unread, err := pl.readFooter(ctx, e)
	switch {
	case unread != nil:
		return File{}, pl.readError(name, unread)
	case err != nil:
		return File{}, pl.damaged(name, err.Error())
	}
	f, run, version, err := fileOf(footer)
	switch {
	case err == nil && run != pl.layout.run:
		return File{}, pl.foreign(name, fmt.Sprintf("a file of run %q", shorten(run)))
	case err != nil && !isOurs(footer):
		return File{}, pl.foreign(name, err.Error()) // a whole Parquet file, and somebody else's
	case err != nil && pl.newer(version) && footer.Whole(footerPrefix+keyChecksum):
		return File{}, pl.checkVersion(name, version) // its keys may be others, which is not damage
	case err != nil:
		return File{}, pl.damaged(name, err.Error())
	}
	f.Name, f.Bytes = name, e.Size
	if err := pl.checkVersion(name, version); err != nil {
		return File{}, err
	}
	switch {
	case f.Seq != seq:
		return File{}, pl.foreign(name, fmt.Sprintf("its footer says number %d", f.Seq))
	case f.dataBytes > e.Size:
		return File{}, pl.damaged(name, "shorter than its footer says")
	case f.Rejects != "" && !validStem(f.Rejects, seq):
		return File{}, pl.foreign(name, fmt.Sprintf("its footer names its rejects %q", shorten(f.Rejects)))
	}
	return f, nil
}

// readFooter reads the footer of a file that a listing found. unread is why the store could not give its bytes, which
// says nothing about the file; err is what is wrong with them.
func (pl place) readFooter(ctx context.Context, e store.Entry) (f parquet.Footer, unread, err error) {
	r := &noting{ReaderAt: store.Reader(ctx, pl.store, e.Name)}
	f, err = parquet.ReadFooter(r, e.Size)
	return f, r.err, err
}

// noting keeps the error of the store apart from what is made of it. A file that is shorter than it was listed is no
// error of the store.
type noting struct {
	io.ReaderAt
	err error
}

func (n *noting) ReadAt(p []byte, off int64) (int, error) {
	read, err := n.ReaderAt.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		n.err = err
	}
	return read, err
}

// checkVersion refuses to continue what a newer version began.
func (pl place) checkVersion(name, version string) error {
	if _, err := ParseVersion(version); err != nil {
		return pl.foreign(name, fmt.Sprintf("schema version %q is not a number", shorten(version)))
	}
	if pl.newer(version) {
		e := pl.foreign(name, fmt.Sprintf("written by a newer version of this program (schema version %s, this one knows %s)", version, pl.version))
		e.Hint = "nothing was touched; continue with that version, or choose another output"
		return e
	}
	return nil
}

func (pl place) newer(version string) bool {
	theirs, err := ParseVersion(version)
	ours, _ := ParseVersion(pl.version)
	return err == nil && theirs > ours
}

func (pl place) foreign(name, reason string) *ForeignError {
	return &ForeignError{Path: pl.store.Path(name), Reason: strings.ToValidUTF8(reason, "\uFFFD"),
		Hint: "nothing was touched; restore what was there, move it away, or choose another output"}
}

// damaged is for a file of this run that is no longer what was published.
func (pl place) damaged(name, reason string) *ForeignError {
	e := pl.foreign(name, reason)
	e.damaged = true
	return e
}

func (pl place) missing(name string) *ForeignError {
	e := pl.damaged(name, "it was published but is missing")
	e.gone = true
	return e
}

// loadManifest reads the manifest that counts, nil if there is none.
func (pl place) loadManifest(ctx context.Context, d *runDir) (*Manifest, error) {
	if d.number < 0 {
		return nil, nil
	}
	name := d.manifest.Name
	data, err := pl.readListed(ctx, d.manifest, maxManifestBytes)
	if err != nil {
		return nil, err
	}
	m, err := DecodeManifest(data)
	if err != nil {
		return nil, pl.foreign(name, err.Error())
	}
	if m.Run != pl.layout.run {
		return nil, pl.foreign(name, "the manifest of another run")
	}
	return m, pl.checkVersion(name, m.SchemaVersion)
}

// readError turns a file that ends early or is gone into what it means for the run.
func (pl place) readError(name string, err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return pl.foreign(name, "it shrank while it was being read")
	case errors.Is(err, fs.ErrNotExist):
		return pl.missing(name)
	}
	return err
}

// readListed reads a small file whole that a listing found: its size is known.
func (pl place) readListed(ctx context.Context, e store.Entry, most int64) ([]byte, error) {
	switch {
	case !e.Regular:
		return nil, pl.foreign(e.Name, "not a regular file")
	case e.Size > most:
		return nil, pl.foreign(e.Name, fmt.Sprintf("%d bytes are too many", e.Size))
	}
	data := make([]byte, e.Size)
	if err := pl.store.ReadAt(ctx, e.Name, data, 0); err != nil {
		return nil, pl.readError(e.Name, err)
	}
	return data, nil
}
