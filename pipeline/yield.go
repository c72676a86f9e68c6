package pipeline

import "strings"

// Written is what runs of a source wrote, from their manifests.
type Written struct{ Rows, Files, Bytes int64 }

// Add counts another run.
func (w *Written) Add(rows, files, bytes int64) {
	w.Rows += rows
	w.Files += files
	w.Bytes += bytes
}

const (
	// fileBytes is what a file with a few rows takes beside them: pages and footer of all columns. Measured on
	// generated documents.
	fileBytes = 48 << 10
	// The first rows take more than the others: dictionaries are filled, and little repeats. Measured likewise.
	firstRows, firstRowBytes = 100, 200
	// enoughRows is how many written rows say more than what is typical.
	enoughRows = 1000
)

// rate is how many bytes a row takes.
type rate struct {
	measured float64 // of this output's runs; 0: use what is typical
}

func (w Written) rate() rate {
	if w.Rows < enoughRows {
		return rate{}
	}
	rows := max(w.Bytes-w.Files*fileBytes-min(w.Rows, w.Files*firstRows)*firstRowBytes, w.Bytes/2)
	return rate{float64(rows) / float64(w.Rows)}
}

// typical are bytes of a row by source type: generated documents, in files with the default settings.
var typical = []struct {
	part  string
	bytes float64
}{
	{"TWITTER", 47}, {"ONLINENEWS", 430}, {"BLOG", 2450}, {"MESSAGEBOARD", 1090}, {"YOUTUBE", 800}, {"TIKTOK", 430}, {"BROADCAST", 1010},
}

const typicalOther = 710

func typicalBytes(sourceType string) float64 {
	for _, t := range typical {
		if strings.Contains(strings.ToUpper(sourceType), t.part) {
			return t.bytes
		}
	}
	return typicalOther
}

// bytes is what a window's files take, of which so many results are exported.
func (r rate) bytes(t Tally, exported int64) int64 {
	perRow := r.measured
	if perRow == 0 {
		var sum float64
		var counted int64
		for name, n := range t.Sources {
			if ReachOf(name) != ReachNothing {
				sum += float64(n) * typicalBytes(name)
				counted += n
			}
		}
		if perRow = typicalOther; counted > 0 {
			perRow = sum / float64(counted)
		}
	}
	if exported == 0 {
		return emptyFile
	}
	return fileBytes + min(exported, firstRows)*firstRowBytes + int64(perRow*float64(exported))
}

// emptyFile is a file without rows: its schema and footer.
const emptyFile = 7500
