"""Where Hydra looks for plugins; `hydra_plugins` itself is a namespace shared with other packages."""
