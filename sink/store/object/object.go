package object

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"tw2parquet/sink/store"
)

// Config is what all object stores have in common. The zero value is fine.
type Config struct {
	// Logger receives warnings; nil discards them.
	Logger *slog.Logger
	// Windows is how many outputs are written at a time; 0: 1. It bounds the memory of uploads: each may have
	// three parts on their way, and one that is being filled.
	Windows int
	// Secret is told every credential before it is used, so that nobody shows it; nil: nobody wants to know.
	Secret func(text string)
	// WaitScale shortens what is waited between tries, and for how long they go on, for tests and demonstrations. It
	// counts only at an endpoint on this machine; 0: 1.
	WaitScale float64
}

// At is the configuration for a store at an endpoint: that of another machine is given its time.
func (c Config) At(endpoint string) Config {
	u, err := url.Parse(endpoint)
	if err != nil {
		c.WaitScale = 1
		return c
	}
	if ip := net.ParseIP(u.Hostname()); !strings.EqualFold(u.Hostname(), "localhost") && (ip == nil || !ip.IsLoopback()) {
		c.WaitScale = 1
	}
	return c
}

const (
	// patience is how long one request is tried again while the store is unavailable: the outages that
	// S3's history knows are minutes long or last for hours.
	patience = 10 * time.Minute
	// firstPatience is the same before there was ever a connection. Then a wrong endpoint is likelier.
	firstPatience = time.Minute
	// grace is how long requests may still take after the process was told to end. Schedulers kill after 30 s.
	grace = 10 * time.Second
	// inFlight is how many parts each window may have on their way. With the one that is being filled it
	// makes 32 MiB.
	inFlight = 3
)

// objects is an output in a bucket.
type objects struct {
	bucket Bucket
	root   string // begins every key: "" or "a/b/"
	log    *slog.Logger
	work   context.Context // ends all requests; see New
	stop   context.CancelCauseFunc
	parts  *buffers
	scale  float64 // of waits

	mu       sync.Mutex
	answered bool              // the store was there once
	live     map[string]bool   // the ids of this process's own uploads
	holds    map[string]int    // last elements of the held directories, which are in the names of what belongs to them
	seen     map[string]string // the ids of what belongs to them, by key, as last listed
}

var errClosed = errors.New("the store is closed")

// New makes an output of what lies below prefix in a bucket; "" is the whole bucket. It sends no
// request. ctx is the process's: when it ends, requests have ten more seconds, so that what is finished can
// still be published, but outages are not waited out any more.
func New(ctx context.Context, b Bucket, prefix string, cfg Config) store.Store {
	s := &objects{
		bucket: b, log: cfg.Logger, scale: cmp.Or(cfg.WaitScale, 1), parts: newBuffers(PartSize, inFlight*max(cfg.Windows, 1)),
		live: map[string]bool{}, holds: map[string]int{}, seen: map[string]string{},
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		s.root = prefix + "/"
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	work, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	forget := context.AfterFunc(ctx, func() {
		late := time.AfterFunc(grace, func() { stop(context.Cause(ctx)) })
		context.AfterFunc(work, func() { late.Stop() })
	})
	s.work, s.stop = work, func(cause error) { forget(); stop(cause) }
	return s
}

func (s *objects) key(name string) string {
	if name == "." {
		name = ""
	}
	return s.root + name
}

// Path is the address of an object, as other tools take it.
func (s *objects) Path(name string) string { return s.bucket.URL(strings.TrimSuffix(s.key(name), "/")) }

// Close ends what is still on its way.
func (s *objects) Close() error {
	s.stop(errClosed)
	return s.bucket.Close()
}

// named adds what was tried to an answer that is not an error of the store.
func (s *objects) named(op, key string, err error) error {
	if remote := (*store.RemoteError)(nil); errors.As(err, &remote) {
		return err
	}
	for _, known := range []error{fs.ErrExist, fs.ErrNotExist, ErrConflict, ErrNoUpload, ErrChanged} {
		if errors.Is(err, known) {
			return &store.Error{Op: op, Path: s.bucket.URL(key), Err: err}
		}
	}
	return err
}

// List reads page after page. A key that ends in a slash is what consoles show as a folder, and not a file.
func (s *objects) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		last, token := "", ""
		for {
			var page []Object
			var next string
			_, err := s.try(ctx, 0, func(ctx context.Context) (err error) {
				page, next, err = s.bucket.List(ctx, s.key(prefix), token)
				return err
			})
			if err != nil {
				yield(store.Entry{}, s.named("list", s.key(prefix), err))
				return
			}
			s.remember(page)
			for _, o := range page {
				if o.Key <= last {
					yield(store.Entry{}, &store.Error{Op: "list", Path: s.bucket.URL(o.Key),
						Err: errors.New("the listing is not in order"), Hint: "choose a bucket that lists in the order of keys, as all but directory buckets do"})
					return
				}
				last = o.Key
				name, ok := strings.CutPrefix(o.Key, s.root)
				if !ok || name == "" || strings.HasSuffix(name, "/") {
					continue
				}
				if !yield(store.Entry{Name: name, Size: o.Size, Regular: true}, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			token = next
		}
	}
}

// remember keeps the identity of objects that belong to a hold, because only those are ever deleted.
func (s *objects) remember(page []Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.holds) == 0 {
		return
	}
	owners := slices.Collect(maps.Keys(s.holds))
	for _, o := range page {
		if slices.ContainsFunc(owners, func(owner string) bool { return strings.Contains(o.Key, owner) }) {
			s.seen[o.Key] = o.ID
		}
	}
}

// ReadAt is one request.
func (s *objects) ReadAt(ctx context.Context, name string, p []byte, off int64) error {
	if len(p) == 0 {
		return ctx.Err()
	}
	_, err := s.try(ctx, len(p), func(ctx context.Context) error { return s.bucket.Get(ctx, s.key(name), p, off) })
	return s.named("read", s.key(name), err)
}

// Version is another text as soon as the object is written again: an ETag or a generation. It is one request.
func (s *objects) Version(ctx context.Context, name string) (string, error) {
	key := s.key(name)
	var page []Object
	_, err := s.try(ctx, 0, func(ctx context.Context) (err error) {
		page, _, err = s.bucket.List(ctx, key, "")
		return err
	})
	switch {
	case err != nil:
		return "", s.named("list", key, err)
	case len(page) == 0 || page[0].Key != key: // nothing that begins with key comes before it
		return "", s.named("list", key, fs.ErrNotExist)
	}
	return page[0].ID, nil
}

// Hold is never exclusive, and costs no request.
func (s *objects) Hold(ctx context.Context, dir string) (store.Hold, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h := &hold{objects: s, dir: dir, own: path.Base(dir)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holds[h.own]++
	return h, nil
}

// release forgets what belonged to a hold.
func (s *objects) release(own string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holds[own]--; s.holds[own] > 0 {
		return
	}
	delete(s.holds, own)
	maps.DeleteFunc(s.seen, func(key, _ string) bool { return strings.Contains(key, own) })
}

// alive notes that this process has an upload, or has it no more.
func (s *objects) alive(id string, is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if is {
		s.live[id] = true
	} else {
		delete(s.live, id)
	}
}
