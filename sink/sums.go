package sink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"tw2parquet/sink/store"
)

// hashFile is the checksum of a file.
func (pl place) hashFile(ctx context.Context, name string, size int64) (string, error) {
	h := sha256.New()
	if err := pl.hashRange(ctx, name, h, 0, size); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// hashData is the checksum of a whole file that this process did not write.
func (pl place) hashData(ctx context.Context, f *File) (string, error) {
	h := sha256.New()
	if err := pl.hashRange(ctx, f.Name, h, 0, f.dataBytes); err != nil {
		return "", err
	}
	if hex.EncodeToString(h.Sum(nil)) != f.dataSHA256 {
		return "", pl.damaged(f.Name, "damaged: its bytes are not those that were written")
	}
	if err := pl.hashRange(ctx, f.Name, h, f.dataBytes, f.Bytes); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (pl place) hashRange(ctx context.Context, name string, h hash.Hash, from, to int64) error {
	buf := make([]byte, min(1<<20, max(0, to-from)))
	for from < to {
		p := buf[:min(int64(len(buf)), to-from)]
		if err := pl.store.ReadAt(ctx, name, p, from); err != nil {
			return pl.readError(name, err)
		}
		h.Write(p)
		from += int64(len(p))
	}
	return nil
}

// readWhole reads every byte of a data file and of its rejects.
func (pl place) readWhole(ctx context.Context, seq int, p part, found map[string]store.Entry) (File, []RejectFile, error) {
	file, err := pl.readPart(ctx, seq, p.Entry)
	if err == nil {
		file.SHA256, err = pl.hashData(ctx, &file)
	}
	if err != nil || file.Rejects == "" {
		return file, nil, err
	}
	var rejects []RejectFile
	index, raw := pl.layout.rejects(file.Rejects)
	for _, name := range []string{index, raw} {
		e, ok := found[name]
		if !ok {
			return file, nil, pl.missing(name)
		}
		r := RejectFile{Name: name, Bytes: e.Size}
		if r.SHA256, err = pl.hashFile(ctx, name, e.Size); err != nil {
			return file, nil, err
		}
		rejects = append(rejects, r)
	}
	return file, rejects, nil
}
