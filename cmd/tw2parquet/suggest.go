package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"tw2parquet/sink/store"
	"tw2parquet/source"
)

// closest is the candidate that a word was probably meant to be: the only one that begins with it, as an id that was
// abbreviated, or the nearest that is a slip or two away; "" if there is none.
func closest(word string, candidates []string) string {
	const abbreviated = 3 // letters that say something
	var begin []string
	best, least := "", min(3, max(1, len(word)/4))+1
	for _, c := range candidates {
		if len(word) >= abbreviated && strings.HasPrefix(strings.ToLower(c), strings.ToLower(word)) {
			begin = append(begin, c)
		}
		if d := slips(strings.ToLower(word), strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	if len(begin) == 1 {
		return begin[0]
	}
	return best
}

// slips is how many letters were left out, added, changed or swapped with the next one (the optimal string alignment
// distance, in bytes).
func slips(a, b string) int {
	above, before := []int(nil), make([]int, len(b)+1)
	for j := range before {
		before[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			change := before[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(before[j+1]+1, row[j]+1, change)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], above[j-1]+1)
			}
		}
		above, before = before, row
	}
	return before[len(b)]
}

// didYouMean is the question at the end of a message; "" where nothing is near. Only what is on the list is repeated.
func didYouMean(word string, candidates []string) string {
	if c := closest(word, candidates); c != "" && c != word {
		return "did you mean " + store.Printable(c) + "?"
	}
	return ""
}

// guess adds to an error of the parser what a value that is not on its flag's list was meant to be. Commands and flags
// the parser guesses itself.
func (l *line) guess(err error) error {
	for _, g := range l.given {
		if list := choices(l.own(g.flag).Enum); g.hasValue && len(list) > 0 && !slices.Contains(list, g.value) {
			if question := didYouMean(g.value, list); question != "" {
				return fmt.Errorf("%w; %s", err, question)
			}
		}
	}
	if l.command != nil {
		for i, p := range l.command.Positional {
			if list := choices(p.Enum); i < len(l.positionals) && len(list) > 0 && !slices.Contains(list, l.positionals[i]) {
				if question := didYouMean(l.positionals[i], list); question != "" {
					return fmt.Errorf("%w; %s", err, question)
				}
			}
		}
	}
	return err
}

// own is the flag of that name that the command has: flags of one name may have other values elsewhere.
func (l *line) own(flag *kong.Flag) *kong.Flag {
	for n := l.command; n != nil; n = n.Parent {
		for _, f := range n.Flags {
			if f.Name == flag.Name {
				return f
			}
		}
	}
	return flag
}

// choices are the values of an enum tag.
func choices(enum string) []string {
	if enum == "" {
		return nil
	}
	return strings.Split(enum, ",")
}

// nearProject adds to the refusal of a project that the token does not know which one may have been meant.
// Listing them is free.
func nearProject(ctx context.Context, api *source.Client, id string, err error) error {
	const unknownProject = 11 // Talkwalker API, error codes
	var refused *source.Error
	if !errors.As(err, &refused) || refused.Code != unknownProject || ctx.Err() != nil {
		return err
	}
	projects, listErr := api.Projects(ctx)
	if listErr != nil {
		return err
	}
	ids := make([]string, len(projects))
	for i, p := range projects {
		ids[i] = p.ID
	}
	return asking(err, refused, didYouMean(id, ids))
}

// nearSource adds to the refusal of a request which of its ids the server does not know, and what may have been meant. The
// lists are free.
func nearSource(ctx context.Context, api *source.Client, r source.Request, err error) error {
	err = nearProject(ctx, api, r.Project, err)
	var refused *source.Error
	if !errors.As(err, &refused) || refused.Class != source.ClassRejected || ctx.Err() != nil {
		return err
	}
	var questions []string
	wonder := func(what string, given, known []string) {
		for _, id := range given {
			if id == "" || slices.Contains(known, id) {
				continue
			}
			question := "there is no " + what + " " + store.Printable(id)
			if q := didYouMean(id, known); q != "" {
				question += "; " + q
			}
			questions = append(questions, question)
		}
	}
	switch {
	case r.Stream != "":
		if info, listErr := api.StreamInfo(ctx); listErr == nil {
			ids := make([]string, len(info.Streams))
			for i, s := range info.Streams {
				ids[i] = s.ID
			}
			wonder("stream", []string{r.Stream}, ids)
		}
	case len(r.Topics)+len(r.Datasets) > 0:
		if list, listErr := api.Resources(ctx, r.Project, "search", "dataset"); listErr == nil {
			topics, datasets := []string{"search"}, []string(nil) // which stands for all topics
			for _, l := range list {
				if l.Kind == "dataset" {
					datasets = append(datasets, l.ID)
				} else {
					topics = append(topics, l.ID)
				}
			}
			wonder("topic", r.Topics, topics)
			if len(datasets) > 0 { // the list may not have them
				wonder("dataset", r.Datasets, datasets)
			}
		}
	}
	return asking(err, refused, strings.Join(questions, "; "))
}

// nearTask does the same for a task that the server does not know.
func nearTask(ctx context.Context, api *source.Client, id string, err error) error {
	var refused *source.Error
	if !errors.As(err, &refused) || !errors.Is(err, source.ErrNotFound) || ctx.Err() != nil {
		return err
	}
	tasks, listErr := api.Tasks(ctx)
	if listErr != nil {
		return err
	}
	ids := make([]string, len(tasks))
	for i, t := range tasks {
		ids[i] = t.ID
	}
	return asking(err, refused, didYouMean(id, ids))
}

// nearCollector does the same for a collector.
func nearCollector(ctx context.Context, api *source.Client, id string, err error) error {
	var refused *source.Error
	if !errors.As(err, &refused) || !errors.Is(err, source.ErrNotFound) || ctx.Err() != nil {
		return err
	}
	info, listErr := api.StreamInfo(ctx)
	if listErr != nil {
		return err
	}
	ids := make([]string, len(info.Collectors))
	for i, c := range info.Collectors {
		ids[i] = c.ID
	}
	return asking(err, refused, didYouMean(id, ids))
}

// asking is an error of the API with a question in its hint.
func asking(err error, refused *source.Error, question string) error {
	if question == "" {
		return err
	}
	told := *refused
	if told.Hint != "" {
		told.Hint += "; "
	}
	told.Hint += question
	return &told
}
