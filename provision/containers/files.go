package containers

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"crossring/internal/topology"
)

// check looks into a container for what the plan asks of its image.
func (m machine) check(ctx context.Context, plan topology.Plan, id string) error {
	image, err := m.ImageInspect(ctx, plan.Containers.Image)
	if err != nil {
		return fmt.Errorf("look at image %s: %w", plan.Containers.Image, err)
	}
	bad := func(format string, args ...any) error {
		return &ImageError{Image: plan.Containers.Image, Reason: fmt.Sprintf(format, args...)}
	}
	if image.Config != nil {
		for _, v := range image.Config.Env {
			if got, ok := strings.CutPrefix(v, "CASSANDRA_VERSION="); ok && got != plan.Version {
				return bad("it has Cassandra %s, not %s", got, plan.Version)
			}
		}
	}
	is := func(name string) (bool, error) {
		_, err := m.ContainerStatPath(ctx, id, client.ContainerStatPathOptions{Path: name})
		if errdefs.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	}
	for _, dir := range []string{Lib, layout().Conf, layout().Home} {
		if ok, err := is(dir); err != nil || !ok {
			return errors.Join(err, bad("there is no Cassandra in it, or not as in the official image: no %s", dir))
		}
	}
	for _, jar := range []string{"apache-cassandra-", "cassandra-all-"} { // the tarball's, and Maven's
		if ok, err := is(path.Join(Lib, jar+plan.Version+".jar")); err != nil || ok {
			return err
		}
	}
	return bad("it has another Cassandra than %s: there is no %s", plan.Version, path.Join(Lib, "apache-cassandra-"+plan.Version+".jar"))
}

// put writes a file in a container, running or not. One that not everybody may read is
// the server's, the others are root's.
func (m machine) put(ctx context.Context, id, name string, data []byte, mode fs.FileMode) error {
	h := tar.Header{Name: path.Base(name), Mode: int64(mode.Perm()), Size: int64(len(data)), ModTime: time.Unix(0, 0)}
	if mode&0o004 == 0 {
		users, err := m.get(ctx, id, "/etc/passwd")
		if err == nil {
			h.Uid, h.Gid, err = userIDs(users, serverUser)
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&h)
	if err == nil {
		_, err = w.Write(data)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("pack %s: %w", name, err)
	}
	packed := b.Bytes()
	unpack := func() error {
		_, err := m.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: path.Dir(name), Content: bytes.NewReader(packed)})
		return err
	}
	if err = unpack(); errdefs.IsNotFound(err) {
		if err = m.mkdir(ctx, id, path.Dir(name)); err == nil {
			err = unpack()
		}
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// mkdir makes a directory in one that is there, for the server alone.
func (m machine) mkdir(ctx context.Context, id, name string) error {
	users, err := m.get(ctx, id, "/etc/passwd")
	if err != nil {
		return err
	}
	h := tar.Header{Typeflag: tar.TypeDir, Name: path.Base(name) + "/", Mode: 0o700, ModTime: time.Unix(0, 0)}
	if h.Uid, h.Gid, err = userIDs(users, serverUser); err != nil {
		return err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := errors.Join(w.WriteHeader(&h), w.Close()); err != nil {
		return fmt.Errorf("pack %s: %w", name, err)
	}
	_, err = m.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: path.Dir(name), Content: &b})
	return err
}

// userIDs are the numbers of a user and its group in the text of /etc/passwd.
func userIDs(passwd []byte, user string) (uid, gid int, err error) {
	for line := range strings.Lines(string(passwd)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if f[0] != user || len(f) < 4 {
			continue
		}
		if uid, err = strconv.Atoi(f[2]); err == nil {
			gid, err = strconv.Atoi(f[3])
		}
		if err != nil {
			return 0, 0, fmt.Errorf("find user %s of the image: %w", user, err)
		}
		return uid, gid, nil
	}
	return 0, 0, fmt.Errorf("find user %s of the image: it has none", user)
}

// get reads a file of a container, running or not; os.ErrNotExist where there is none.
func (m machine) get(ctx context.Context, id, name string) ([]byte, error) {
	res, err := m.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: name})
	if errdefs.IsNotFound(err) {
		return nil, fmt.Errorf("read %s: %w", name, os.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer res.Content.Close()
	r := tar.NewReader(res.Content)
	if _, err := r.Next(); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}

// printed is the end of what a container printed.
func (m machine) printed(ctx context.Context, id string, lines int) ([]byte, error) {
	r, err := m.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: fmt.Sprint(lines)})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var b bytes.Buffer
	_, err = stdcopy.StdCopy(&b, &b, r)
	return b.Bytes(), err
}
