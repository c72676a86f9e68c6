package source

import (
	"fmt"
	"time"

	"github.com/goccy/go-json"
)

// BoughtAt reads from a run's TaskRecord when its export task was created, by the server's clock; zero if the
// server did not say.
func BoughtAt(record []byte) (time.Time, error) {
	var note taskNote
	if err := json.Unmarshal(record, &note); err != nil {
		return time.Time{}, fmt.Errorf("read %s: %w", TaskRecord, err)
	}
	return note.Created, nil
}
