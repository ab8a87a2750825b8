package ccm

import "context"

// Ready finds the ccm command, and sees that it runs and is new enough. Errors to tell
// apart: *MissingError, *OldError.
func Ready(ctx context.Context) (string, error) { return find(ctx, "ccm") }
