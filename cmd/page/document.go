package page

import (
	"time"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/manifest/vulnerabilities"
)

// Document is what a page says. Its strings may be anyone's: [Write] makes of
// them text that is only shown.
type Document struct {
	// Name is what the person called the image.
	Name string
	// Image and Manifest are digests.
	Image, Manifest string
	Architecture    string
	Size            string
	// Attached is when the manifest was, by its own account; zero where it does
	// not say.
	Attached time.Time
	// Made is when what is said of the approval was so.
	Made     time.Time
	Approval Approval
	// Older counts manifests that this one took the place of.
	Older int
	// Invalid are what was attached as manifests and is none.
	Invalid []Invalid
	Counts  []Count
	// Narrowed tells that an approval left less than was asked for, so that
	// the counts have an Approved.
	Narrowed bool
	// DockerProfile is the release of Docker's profile.
	DockerProfile string
	Levels        []Level
	// Evidence says in a sentence what the records show of all permissions.
	Evidence string
	Runs     []Run
	// Trials says in a sentence what trials have found; empty where there were
	// none.
	Trials          string
	Tries           []Trials
	Vulnerabilities []vulnerabilities.Vulnerability
}

// Approval is how what is asked for stands to what was decided.
type Approval struct {
	// Granted tells that the image may run.
	Granted bool
	// Word is the state in a word or two, Text the rest of the sentence.
	Word, Text string
	// Notes are what else is to be known, a sentence each.
	Notes []string
}

// Invalid is what was attached as a manifest and is none.
type Invalid struct{ Digest, Error string }

// Count is so many of so many, beside Docker's default.
type Count struct {
	// What is counted; Note is a remark on the count, or empty.
	What, Note                       string
	Asked, Of, Docker                int
	Approved                         int
	AskedBar, ApprovedBar, DockerBar Bar
}

// Level is a protection level with its permissions.
type Level struct {
	Level manifest.Level
	// Shown are permissions that are to be read, Groups those that are folded.
	Shown  []Permission
	Groups []Group
}

// Total counts the permissions of the level.
func (l Level) Total() int {
	n := len(l.Shown)
	for _, g := range l.Groups {
		n += len(g.Permissions)
	}
	return n
}

// Group is a group of permissions under one heading.
type Group struct {
	Title, Meaning string
	// Seen says in a few words what the records show of them.
	Seen        string
	Permissions []Permission
}

// Permission is a permission and what there is to say of it.
type Permission struct {
	manifest.Permission
	// Seen is what the records of runs show of it, in a line; Never tells that
	// it is in none of them.
	Seen  string
	Never bool
	// Tried is what trials without it have found, in a line, or empty.
	Tried string
	// Denied tells that the approval in force does not grant it.
	Denied bool
	// CVEs counts the known vulnerabilities that take it.
	CVEs int
}

// Trials are runs with permissions left out.
type Trials struct {
	Runs                    int
	Command, Exercise, From string
}

// Run is a record of a run.
type Run struct {
	Started                         time.Time
	Duration                        time.Duration
	Kernel, Command, Exercise, From string
}
