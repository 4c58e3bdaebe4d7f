-- app: Mealie (recipes)
-- orm: SQLAlchemy and Alembic, Python
-- expect: recipes.id uuid
-- expect: recipes.date_added date
-- expect: recipes.created_at timestamp without time zone
-- expect: recipes_ingredients.disable_amount boolean
-- expect: recipes_ingredients.quantity double precision
-- expect: recipes.nutrition json
-- expect: shopping_lists.price numeric
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
CREATE TABLE groups (id CHAR(32) NOT NULL, name VARCHAR NOT NULL, slug VARCHAR, created_at DATETIME, update_at DATETIME, CONSTRAINT pk_groups PRIMARY KEY (id), CONSTRAINT uq_groups_name UNIQUE (name));
CREATE INDEX ix_groups_created_at ON groups (created_at);
CREATE TABLE users (id CHAR(32) NOT NULL, full_name VARCHAR, email VARCHAR, admin BOOLEAN, group_id CHAR(32), login_attemps INTEGER, locked_at DATETIME, auth_method VARCHAR(6) DEFAULT 'MEALIE' NOT NULL, created_at DATETIME,
  CONSTRAINT pk_users PRIMARY KEY (id), CONSTRAINT fk_users_group_id_groups FOREIGN KEY(group_id) REFERENCES groups (id), CONSTRAINT ck_auth CHECK (auth_method IN ('MEALIE', 'LDAP', 'OIDC')));
CREATE UNIQUE INDEX ix_users_email ON users (email);
CREATE TABLE recipes (id CHAR(32) NOT NULL, slug VARCHAR, group_id CHAR(32) NOT NULL, name VARCHAR NOT NULL, description VARCHAR, rating FLOAT, date_added DATE, date_updated DATETIME, last_made TIMESTAMP, created_at DATETIME, nutrition JSON,
  CONSTRAINT pk_recipes PRIMARY KEY (id), CONSTRAINT recipe_slug_group_id_key UNIQUE (slug, group_id), CONSTRAINT fk_r FOREIGN KEY(group_id) REFERENCES groups (id));
CREATE TABLE recipes_ingredients (id INTEGER NOT NULL, reference_id CHAR(32), position INTEGER, recipe_id CHAR(32), note VARCHAR, quantity FLOAT, disable_amount BOOLEAN, original_text VARCHAR, CONSTRAINT pk_recipes_ingredients PRIMARY KEY (id), CONSTRAINT fk_i FOREIGN KEY(recipe_id) REFERENCES recipes (id));
CREATE INDEX ix_recipes_ingredients_recipe_id ON recipes_ingredients (recipe_id);
CREATE TABLE recipes_to_tags (recipe_id CHAR(32), tag_id CHAR(32), CONSTRAINT recipe_id_tag_id_key UNIQUE (recipe_id, tag_id));
CREATE TABLE shopping_lists (id CHAR(32) NOT NULL, name VARCHAR, price NUMERIC(10, 2), day DATE, extras TEXT, CONSTRAINT pk_shopping_lists PRIMARY KEY (id));
INSERT INTO alembic_version VALUES ('feecc8ffb956');
INSERT INTO groups VALUES ('0b16a3f04a5c4f3b9c53a1d9d1f0a2b3','Home','home','2024-03-01 10:00:00.123456','2024-03-01 10:00:00.123460');
INSERT INTO users VALUES ('6ba7b8109dad41d180b400c04fd430c8','Change Me','changeme@example.com',1,'0b16a3f04a5c4f3b9c53a1d9d1f0a2b3',0,NULL,'MEALIE','2024-03-01 10:00:00.200000'),('7ba7b8109dad41d180b400c04fd430c8',NULL,NULL,0,NULL,NULL,'2024-04-01 10:00:00.000000','OIDC',NULL);
INSERT INTO recipes VALUES ('8ba7b8109dad41d180b400c04fd430c8','crème-brûlée','0b16a3f04a5c4f3b9c53a1d9d1f0a2b3','Crème brûlée','½ l',4.5,'2024-03-01','2024-03-01 10:00:00.300000','2024-03-02 10:00:00.000000','2024-03-01 10:00:00.300000','{"calories": "300"}'),
  ('9ba7b8109dad41d180b400c04fd430c8',NULL,'0b16a3f04a5c4f3b9c53a1d9d1f0a2b3','Soup',NULL,NULL,NULL,NULL,NULL,NULL,'null');
INSERT INTO recipes_ingredients VALUES (1,'aba7b8109dad41d180b400c04fd430c8',0,'8ba7b8109dad41d180b400c04fd430c8','sugar',0.333333333333333,0,'1/3 cup'),(2,'bba7b8109dad41d180b400c04fd430c8',1,'8ba7b8109dad41d180b400c04fd430c8','',NULL,1,NULL);
INSERT INTO recipes_to_tags VALUES ('8ba7b8109dad41d180b400c04fd430c8','cba7b8109dad41d180b400c04fd430c8'),(NULL,'cba7b8109dad41d180b400c04fd430c8'),(NULL,'cba7b8109dad41d180b400c04fd430c8');
INSERT INTO shopping_lists VALUES ('dba7b8109dad41d180b400c04fd430c8','Week',12.34,'2024-03-01','{}'),('eba7b8109dad41d180b400c04fd430c8',NULL,100,NULL,NULL);
-- following
UPDATE recipes SET rating=5, last_made='2024-05-01 00:00:00.000001', nutrition='{"x": [1, 2.50]}' WHERE id='9ba7b8109dad41d180b400c04fd430c8';
DELETE FROM recipes_ingredients WHERE recipe_id='8ba7b8109dad41d180b400c04fd430c8';
INSERT INTO recipes_ingredients (reference_id, position, recipe_id, quantity) VALUES ('fba7b8109dad41d180b400c04fd430c8', 0, '8ba7b8109dad41d180b400c04fd430c8', 1.0);
DELETE FROM recipes_to_tags WHERE recipe_id IS NULL;
UPDATE shopping_lists SET price = 0.1 + 0.2;
