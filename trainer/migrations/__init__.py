"""Steps of the schema, run by `trainer.database.migrate`."""
