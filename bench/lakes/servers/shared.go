package servers

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
)

// Shared are the servers of a process of tests. The first who asks for one starts it.
type Shared struct {
	Versity, Moto func() (*S3, error)
	FakeGCS       func() (*GCS, error)
	Azurite       func() (*Azure, error)

	mu    sync.Mutex
	stops []func() error
}

// NewShared starts nothing yet.
func NewShared() *Shared {
	s := &Shared{}
	s.Versity = sync.OnceValues(func() (*S3, error) {
		dir, err := os.MkdirTemp("", "versitygw-")
		if err != nil {
			return nil, err
		}
		s.later(func() error { return os.RemoveAll(dir) })
		server, err := StartVersity(context.Background(), dir)
		if err == nil {
			s.later(server.Stop)
		}
		return server, err
	})
	s.Moto = sync.OnceValues(func() (*S3, error) {
		server, err := StartMoto(context.Background())
		if err == nil {
			s.later(server.Stop)
		}
		return server, err
	})
	s.FakeGCS = sync.OnceValues(func() (*GCS, error) {
		server, err := StartFakeGCS()
		if err == nil {
			s.later(func() error { server.Stop(); return nil })
		}
		return server, err
	})
	s.Azurite = sync.OnceValues(func() (*Azure, error) {
		server, err := StartAzurite(context.Background())
		if err == nil {
			s.later(server.Stop)
		}
		return server, err
	})
	return s
}

func (s *Shared) later(stop func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stops = append(s.stops, stop)
}

// Stop ends those that were started, the last one first.
func (s *Shared) Stop() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stop := range slices.Backward(s.stops) {
		err = errors.Join(err, stop())
	}
	return err
}
