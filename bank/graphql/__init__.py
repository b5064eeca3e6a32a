"""A GraphQL server around Tartiflette, independent of banking. README.md lists the parts that it replaces, and why."""
