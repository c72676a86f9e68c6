package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
)

// What an output in a bucket may cost beyond one on disk.
const (
	// slower is the ratio of the times, against a server on the same machine.
	slower = 1.15
	// moreForOne is MiB of peak memory with one window at a time, and moreForEach with each further one.
	moreForOne, moreForEach = 64, 32
)

// severalWindows is how many the export has at a time that has several. Its month has five calendar weeks.
const severalWindows = 4

// storeJob is something that is written to a disk and to a bucket.
type storeJob struct {
	name    string
	windows int // at a time
	command func(out string) []string
	env     []string
}

// stores writes the same to disk and into a bucket of an S3 server on this machine. It fails where the bucket costs more
// time or memory than it may. The server's work comes on top, on the same cores; its share is told apart.
func (s *settings) stores(ctx context.Context) error {
	fmt.Fprintf(s.stdout, "%d results; %d threads, zstd %d, %d rounds; load average before: %s\n", s.results, s.threads, s.level, s.rounds, load())
	var bad []error
	err := s.storeJobs(ctx, func(job storeJob, disk, inBucket *side) {
		bad = append(bad, job.judgeMemory(disk, inBucket), job.judgeTime(disk, inBucket))
	})
	return errors.Join(append(bad, err)...)
}

// storeJobs measures converting a file, exporting one window and exporting several at a time.
func (s *settings) storeJobs(ctx context.Context, judge func(job storeJob, disk, inBucket *side)) (err error) {
	input := s.at("corpus.jsonl")
	size, err := s.record(input)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(input)) }()
	a, err := s.serve(ctx, s.results, s.every)
	if err != nil {
		return err
	}
	defer func() {
		_, stopped := a.stop()
		err = errors.Join(err, stopped)
	}()
	several := fmt.Sprint(severalWindows)
	export := func(more ...string) func(string) []string {
		return func(out string) []string { return s.exportTo(a, "", out, more...).command }
	}
	for _, job := range []storeJob{
		{"convert", 1, func(out string) []string { return append([]string{s.binary, "convert", input}, s.writing(out)...) }, nil},
		{"export", 1, export(), environment(a.url)},
		{"export-" + several, severalWindows, export("--split", "week", "--parallel", several), environment(a.url)},
	} {
		disk, inBucket, err := s.onBoth(ctx, job, size)
		if err != nil {
			return err
		}
		judge(job, disk, inBucket)
	}
	return nil
}

// onBoth measures one job, and tells of it.
func (s *settings) onBoth(ctx context.Context, job storeJob, size int64) (disk, inBucket *side, err error) {
	b, err := s.startBucket(ctx)
	if err != nil {
		return nil, nil, err
	}
	disk = &side{name: job.name, out: s.at("out-" + job.name), env: job.env}
	disk.command = job.command(disk.out)
	inBucket = b.side(job.name+" s3", job.command, job.env...)
	err = s.onEach(ctx, job, disk, inBucket)
	cpu, stopped := b.stop()
	if err = errors.Join(err, stopped, os.RemoveAll(disk.out)); err != nil {
		return nil, nil, err
	}
	more := moreMemory(disk, inBucket)
	_, err = fmt.Fprintf(s.stdout, "%speak rss of s3 less that on disk: %.0f MiB (%.0f to %.0f)\nthe server: %.2f s CPU a run\n",
		report([]*side{inBucket, disk}, size), median(more), more[0], more[len(more)-1], cpu/float64(s.rounds+1))
	return disk, inBucket, err
}

// onEach runs both sides once, compares what they wrote, and measures them. Where windows run at once, it depends on timing where
// row groups end, and what files take a little.
func (s *settings) onEach(ctx context.Context, job storeJob, disk, inBucket *side) error {
	for _, side := range []*side{disk, inBucket} {
		if _, err := side.measure(ctx); err != nil {
			return err
		}
	}
	if more := inBucket.size - disk.size; more != 0 && (job.windows == 1 || max(more, -more) > disk.size/100) {
		return fmt.Errorf("%s wrote %d bytes to disk and %d into the bucket", disk.name, disk.size, inBucket.size)
	}
	return s.rotate(ctx, []*side{disk, inBucket})
}

// moreMemory is by how many MiB the bucket's peaks are above the disk's, sorted.
func moreMemory(disk, inBucket *side) []float64 {
	more := make([]float64, len(disk.costs))
	for i := range more {
		more[i] = inBucket.costs[i].RSS - disk.costs[i].RSS
	}
	slices.Sort(more)
	return more
}

// judgeMemory holds the median to what is allowed.
func (j storeJob) judgeMemory(disk, inBucket *side) error {
	allowed := float64(moreForOne + moreForEach*(j.windows-1))
	if more := median(moreMemory(disk, inBucket)); more > allowed {
		return fmt.Errorf("%s: the bucket takes %.0f MiB more than a disk, and may %.0f", j.name, more, allowed)
	}
	return nil
}

// judgeTime does the same.
func (j storeJob) judgeTime(disk, inBucket *side) error {
	if ratio := median(measures[0].ratios(inBucket, disk)); ratio > slower {
		return fmt.Errorf("%s: the bucket takes %.2f times as long as a disk, and may %.2f", j.name, ratio, slower)
	}
	return nil
}
