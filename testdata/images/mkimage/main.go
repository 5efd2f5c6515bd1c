// Mkimage makes a docker-archive from the tar files of its layers.
//
// The archive depends on nothing but its input: entries keep their order,
// names and owners, and lose what differs from one build to the next.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func main() {
	var layers []string
	config := flag.String("config", "", "`file` with the image's configuration: the \"config\" object of an OCI image configuration")
	tag := flag.String("tag", "", "the image's `name:tag`")
	out := flag.String("out", "", "`file` to write")
	flag.Func("layer", "tar `file` of a layer; the lowest comes first", func(s string) error {
		layers = append(layers, s)
		return nil
	})
	flag.Parse()
	if err := run(*config, *tag, *out, layers); err != nil {
		fmt.Fprintln(os.Stderr, "mkimage:", err)
		os.Exit(1)
	}
}

func run(config, tag, out string, layers []string) error {
	created, err := epoch()
	if err != nil {
		return err
	}
	ref, err := name.NewTag(tag)
	if err != nil {
		return err
	}
	img, err := image(config, layers, created)
	if err != nil {
		return err
	}
	return tarball.WriteToFile(out, ref, img)
}

// epoch returns the time that stands for "now" in what is built; see
// https://reproducible-builds.org/specs/source-date-epoch/.
func epoch() (time.Time, error) {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

func image(config string, layers []string, created time.Time) (v1.Image, error) {
	img := empty.Image
	for _, path := range layers {
		layer, err := normalLayer(path, created)
		if err != nil {
			return nil, fmt.Errorf("reading layer %q: %w", path, err)
		}
		img, err = mutate.Append(img, mutate.Addendum{
			Layer:   layer,
			History: v1.History{Created: v1.Time{Time: created}, CreatedBy: "lpm test image"},
		})
		if err != nil {
			return nil, fmt.Errorf("adding layer %q: %w", path, err)
		}
	}
	data, err := os.ReadFile(config)
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.Created = v1.Time{Time: created}
	file.OS, file.Architecture = "linux", runtime.GOARCH
	if err := json.Unmarshal(data, &file.Config); err != nil {
		return nil, fmt.Errorf("reading configuration %q: %w", config, err)
	}
	return mutate.ConfigFile(img, file)
}
