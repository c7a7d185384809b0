"""The store: the only place that knows SQLAlchemy. SQLite is the embedded default, PostgreSQL the scale path."""
