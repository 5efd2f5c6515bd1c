package artifact

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/least-privilege/lpm/registry/client"
)

// answer is a response with its body, which was read whole for status 200.
type answer struct {
	request *http.Request
	status  int
	header  http.Header
	body    []byte
}

// unexpected turns an answer that is none of those the caller knows into the
// library's error, which understands the registries' own messages.
func (a *answer) unexpected() error {
	response := &http.Response{
		Request: a.request, StatusCode: a.status, Status: http.StatusText(a.status),
		Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body)),
	}
	if err := transport.CheckError(response); err != nil {
		return err
	}
	return fmt.Errorf("%s %s: unexpected status %d", a.request.Method, a.request.URL.Redacted(), a.status)
}

func (r *Remote) url(path string) *url.URL {
	return &url.URL{
		Scheme: r.repo.Scheme(), // the transport corrects it after its handshake
		Host:   r.repo.RegistryStr(),
		Path:   "/v2/" + r.repo.RepositoryStr() + "/" + path,
	}
}

// getURL reads an address of at most limit bytes.
func (r *Remote) getURL(ctx context.Context, u *url.URL, limit int64, accept ...string) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", r.repo.RegistryStr(), err)
	}
	req.Header.Set("Accept", strings.Join(accept, ","))
	var a *answer
	err = client.Whole(ctx, func() error {
		a, err = r.send(ctx, transport.PullScope, req, limit)
		return err
	})
	return a, err
}

// do sends a body to a path below the repository.
func (r *Remote) do(ctx context.Context, method, scope, path, contentType string, body []byte) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, r.url(path).String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", r.repo.RegistryStr(), err)
	}
	req.Header.Set("Content-Type", contentType)
	return r.send(ctx, scope, req, MaxManifest)
}

func (r *Remote) send(ctx context.Context, scope string, req *http.Request, limit int64) (*answer, error) {
	c, err := r.client(ctx, scope)
	if err != nil {
		return nil, err
	}
	response, err := c.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", r.repo.RegistryStr(), err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", r.repo.RegistryStr(), err)
	}
	if response.StatusCode == http.StatusOK && int64(len(body)) > limit {
		return nil, fmt.Errorf("answer of %s to %s: %w", r.repo.RegistryStr(), req.URL.Path, ErrTooLarge)
	}
	return &answer{request: req, status: response.StatusCode, header: response.Header, body: body}, nil
}
