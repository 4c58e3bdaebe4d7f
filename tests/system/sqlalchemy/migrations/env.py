import sqlalchemy as sa
from alembic import context
from models import Base
from recipe import include_name, include_object  # ops/README.md

with sa.create_engine(context.get_x_argument(as_dictionary=True)["url"]).connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True,
                      include_object=include_object, include_name=include_name)
    with context.begin_transaction():
        context.run_migrations()
