package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"

	"tw2parquet/sink/parquet"
)

// openFile is the file being written: staged, seen by nobody.
type openFile struct {
	data     *stagedFile     // nil before the first row group
	writer   *parquet.Writer // nil before the first row group
	rejects  *rejectFiles    // nil before the first reject
	rows     int64
	rejected int64
}

func (f *openFile) any() bool { return f.rows+f.rejected > 0 }

func (f *openFile) discard() {
	if f.data != nil {
		f.data.discard()
	}
	if f.rejects != nil {
		f.rejects.discard()
	}
	*f = openFile{}
}

// mark is a position in the stream with what is to be noted about the rows before it.
type mark struct {
	offset string
	next   int64
	notes  map[string]string
}

// publish ends the open file at a mark and makes it visible. The order is the whole point:
//
//  1. the footer, which holds the position: rows and position become visible together or not at all;
//  2. both, data and rejects, complete and durable under staged names (stagedFile.seal);
//  3. the rejects visible: if the data file is, they are;
//  4. the data file visible: from here on the run continues after the mark.
//
// Death before 4 loses nothing that was promised: the next start removes what 2 and 3 left, and
// reads again from the file before. An error up to 2 gives up this file only; one in 3 or 4 leaves
// open what is visible, which only a new Open can tell.
func (o *Output) publish(ctx context.Context, m mark) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, kv, err := o.sealFile(m)
	if err != nil {
		return o.giveUp(err)
	}
	asides, err := o.publishRejects(ctx, f.Seq)
	if err == nil {
		err = o.publishData(ctx, f, kv)
	}
	if err != nil {
		o.open.discard()
		o.lost = errPublishUnclear
		return err
	}
	o.open = openFile{}
	o.files = append(o.files, f)
	o.asides = append(o.asides, asides...)
	o.log.Debug("published", "file", f.Name, "rows", f.Rows, "rejected", f.Rejected, "bytes", f.Bytes)
	return nil
}

// sealFile writes the footer and makes the staged files durable.
func (o *Output) sealFile(m mark) (File, map[string]string, error) {
	if err := o.openData(); err != nil { // a file may have rejects only, or nothing
		return File{}, nil, err
	}
	if n := o.open.writer.Rows(); n != o.open.rows {
		return File{}, nil, fmt.Errorf("end file %d: %w: it has %d rows, %d were appended", len(o.files), ErrMisuse, n, o.open.rows)
	}
	offset, next := o.Position()
	f := File{
		Name: o.layout.part(len(o.files)), Seq: len(o.files),
		Rows: o.open.rows, Rejected: o.open.rejected,
		FromOffset: offset, ToOffset: m.offset, FirstOrdinal: next, NextOrdinal: m.next,
		Notes: maps.Clone(o.meta),
	}
	maps.Copy(f.Notes, m.notes)
	data := o.open.data
	o.open.writer.WriteIndexes() // an error stays with the file
	kv := f.keyValues(o.cfg.Run, o.cfg.SchemaVersion, data)
	sum, err := o.open.writer.Finish(parquet.Metadata{KeyValues: kv, CreatedBy: f.Notes[noteWriter], ChecksumKey: footerPrefix + keyChecksum})
	if err != nil {
		return f, nil, fmt.Errorf("end %s: %w", f.Name, err)
	}
	kv[footerPrefix+keyChecksum] = sum
	if err := data.seal(); err != nil {
		return f, nil, err
	}
	f.Bytes, f.SHA256 = data.size, data.sum()
	if o.open.rejects != nil {
		if err := o.open.rejects.seal(); err != nil {
			return f, nil, err
		}
	}
	return f, kv, nil
}

func (o *Output) publishRejects(ctx context.Context, seq int) ([]Aside, error) {
	r := o.open.rejects
	if r == nil {
		return nil, nil
	}
	index, raw := o.layout.rejects(seq)
	var asides []Aside
	for _, a := range []struct {
		name string
		file *stagedFile
	}{{index, r.index}, {raw, r.raw}} {
		if err := o.store.Publish(ctx, a.file.name, a.name); err != nil {
			if errors.Is(err, fs.ErrExist) {
				return nil, fmt.Errorf("%w: it published %s", ErrLocked, printable(o.layout.path(a.name)))
			}
			return nil, err
		}
		asides = append(asides, Aside{Name: a.name, Bytes: a.file.size, SHA256: a.file.sum()})
	}
	return asides, nil
}

// publishData takes the step that counts.
func (o *Output) publishData(ctx context.Context, f File, kv map[string]string) error {
	err := o.store.Publish(ctx, o.open.data.name, f.Name)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	// Somebody published this number although we hold the lock: a machine that does not see it, or
	// this process, if a file server repeated a link whose answer was lost.
	size, footer, err := o.look(ctx, f.Name)
	if err != nil {
		return err
	}
	if size == f.Bytes && sameFooter(footer.KeyValues, kv) {
		// The very bytes, so the position is ours whoever wrote them.
		o.open.data.discard()
		return storageError("sync directory", o.layout.path(o.layout.partition), o.fs.SyncDir(o.layout.partition))
	}
	theirs, run, _, err := fileOf(footer)
	if err == nil && run == o.cfg.Run && theirs.Seq == f.Seq {
		return fmt.Errorf("%w: it published %s", ErrLocked, printable(o.layout.path(f.Name)))
	}
	return o.foreign(f.Name, "it appeared while this run was about to publish a file of that name")
}

// look reads the footer of a file whose size is not known.
func (o *Output) look(ctx context.Context, name string) (int64, parquet.Footer, error) {
	info, err := o.fs.Lstat(name)
	if err != nil {
		return 0, parquet.Footer{}, storageError("look at", o.layout.path(name), err)
	}
	if !info.Mode().IsRegular() {
		return 0, parquet.Footer{}, o.foreign(name, "it stands where a file of this run belongs, and is no regular file")
	}
	footer, err := parquet.ReadFooter(storeReader{ctx, o.store, name}, info.Size())
	if err != nil {
		return 0, parquet.Footer{}, o.foreign(name, "it stands where a file of this run belongs: "+err.Error())
	}
	return info.Size(), footer, nil
}

// sameFooter compares our key-values; a writer may add its own. They hold the checksum of the data.
func sameFooter(theirs, ours map[string]string) bool {
	for k, v := range theirs {
		if strings.HasPrefix(k, footerPrefix) && ours[k] != v {
			return false
		}
	}
	for k := range ours {
		if _, ok := theirs[k]; !ok {
			return false
		}
	}
	return true
}
