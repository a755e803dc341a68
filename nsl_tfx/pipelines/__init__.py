"""Ready pipelines, and what runs them.

Raises:
    ImportError: Imported as a top-level `pipelines`, which is only a link to this folder.
"""

if __name__ != "nsl_tfx.pipelines":
    raise ImportError(
        f"Expected `import nsl_tfx.pipelines`. Received: `import {__name__}`; the top-level "
        "folder of that name is only a link."
    )
