package containers

import "testing"

// Files that not everybody may read are the server's, by the numbers of the image.
func TestUserIDs(t *testing.T) {
	passwd := []byte("root:x:0:0:root:/root:/bin/bash\n\ncassandra2:x:5:6::/:/bin/sh\ncassandra:x:999:998::/var/lib/cassandra:/usr/sbin/nologin\n")
	if uid, gid, err := userIDs(passwd, "cassandra"); uid != 999 || gid != 998 || err != nil {
		t.Errorf("%d, %d, %v", uid, gid, err)
	}
	for _, bad := range []string{"", "cassandra:x:a:b\n", "cassandra:x\n", "root:x:0:0:::\n"} {
		if _, _, err := userIDs([]byte(bad), "cassandra"); err == nil {
			t.Errorf("%q is understood", bad)
		}
	}
}
