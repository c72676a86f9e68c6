package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

// startTime is how long a server may take until it answers. Python on a busy machine is the slowest.
const startTime = 2 * time.Minute

// start runs a server at a free address and waits until it speaks HTTP. It is killed when ctx ends, or by stop.
func start(ctx context.Context, name string, command func(ctx context.Context, address string) *exec.Cmd) (address string, stop func() error, err error) {
	address, err = freeAddress(ctx)
	if err != nil {
		return "", nil, err
	}
	running, kill := context.WithCancel(ctx)
	var output bytes.Buffer
	cmd := command(running, address)
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		kill()
		return "", nil, fmt.Errorf("start %s: %w", name, err)
	}
	ended := make(chan struct{})
	var end error
	go func() {
		end = cmd.Wait()
		close(ended)
	}()
	stop = func() error {
		kill()
		<-ended
		return nil // it was killed, which is not an error
	}
	late := time.After(startTime)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case <-ended:
			kill()
			return "", nil, fmt.Errorf("%s ended: %w: %s", name, end, output.String())
		case <-late:
			_ = stop()
			return "", nil, fmt.Errorf("%s does not answer at %s: %s", name, address, output.String())
		case <-again.C:
			if answers(ctx, address) {
				return address, stop, nil
			}
		}
	}
}

// answers tells whether something at an address speaks HTTP, whatever it says.
func answers(ctx context.Context, address string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return true
}

// freeAddress is one that nobody listens at right now.
func freeAddress(ctx context.Context) (string, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func split(address string) (host, port string) {
	host, port, _ = strings.Cut(address, ":")
	return host, port
}

func line(output []byte) string { return strings.TrimSpace(string(output)) }

// withOutput is an error of a command with what that said.
func withOutput(err error) error {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return err
}
