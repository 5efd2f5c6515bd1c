package artifact

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"
)

// maxPages is the greatest number of pages of a list of referrers.
const maxPages = 64

// Referrers implements [Target]. Both sources are read every time, the API
// and the fallback tag: registries have gained the API without taking over
// the tags, and some claim it in a header and do not have it.
func (r *Remote) Referrers(ctx context.Context, subject v1.Hash) ([]v1.Descriptor, error) {
	var listed []v1.Descriptor
	var index v1.IndexManifest
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		listed, _, err = r.askAPI(ctx, subject)
		return err
	})
	g.Go(func() (err error) {
		index, err = r.readFallback(ctx, subject)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return append(listed, index.Manifests...), nil
}

// askAPI reads the list from the referrers API. Without one, supported is
// false. The filter by artifactType is not sent, for a registry that derives
// types in another way would leave out what is wanted.
func (r *Remote) askAPI(ctx context.Context, subject v1.Hash) (listed []v1.Descriptor, supported bool, err error) {
	at := r.url("referrers/" + subject.String())
	for range maxPages {
		page, err := r.getURL(ctx, at, MaxManifest, string(types.OCIImageIndex))
		if err != nil {
			return nil, false, err
		}
		if !isAPIAnswer(page) {
			if isRefusalOfAPI(page.status) {
				return nil, false, nil
			}
			return nil, false, page.unexpected()
		}
		index, err := decodeIndex(page.body)
		if err != nil {
			return nil, false, fmt.Errorf("referrers API of %s: %w", r.repo.RegistryStr(), err)
		}
		listed = append(listed, index.Manifests...)
		if len(listed) > MaxReferrers {
			return nil, false, ErrTooMany
		}
		at, err = nextPage(page, at)
		if err != nil {
			return nil, false, fmt.Errorf("referrers API of %s: %w", r.repo.RegistryStr(), err)
		}
		if at == nil {
			return listed, true, nil
		}
	}
	return nil, false, ErrTooMany
}

// isAPIAnswer tells a list from the page for people that some registries
// serve with status 200 for any path.
func isAPIAnswer(a *answer) bool {
	mediaType, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	return a.status == http.StatusOK && err == nil && mediaType == string(types.OCIImageIndex)
}

// isRefusalOfAPI lists how registries without the API answer. A refusal of
// access and a failure of the server are not among them: an incomplete list
// must not pass for a complete one.
func isRefusalOfAPI(status int) bool {
	switch status {
	case http.StatusOK, http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusNotAcceptable, http.StatusNotImplemented:
		return true
	}
	return false
}

var nextLink = regexp.MustCompile(`^\s*<([^<>]+)>\s*;\s*rel="?next"?\s*$`)

// nextPage returns the address of the page after this one, or nil. It must be
// at the same registry, since credentials go with the request.
func nextPage(a *answer, at *url.URL) (*url.URL, error) {
	header := a.header.Get("Link")
	if header == "" {
		return nil, nil
	}
	match := nextLink.FindStringSubmatch(header)
	if match == nil {
		return nil, errors.New("link to the next page is not understood")
	}
	link, err := url.Parse(match[1])
	if err != nil {
		return nil, fmt.Errorf("link to the next page: %w", err)
	}
	next := at.ResolveReference(link)
	if next.Host != at.Host {
		return nil, errors.New("link to the next page leads to another host")
	}
	next.Scheme = at.Scheme
	return next, nil
}
